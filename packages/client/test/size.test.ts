import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { ROOT, succeed } from './support/packed.ts'

const MAX_BYTES = 25_000

test('livekv.js, with everything in it, stays below 25 KB gzipped', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'livekv-size-'))
  await succeed(process.execPath, ['packages/client/scripts/build.mjs', 'browser', directory], ROOT)
  const script = await readFile(join(directory, 'livekv.js'))
  await rm(directory, { recursive: true })
  // Nothing is left to load.
  expect(script.toString()).not.toMatch(/\bimport\s*[("'{*]|\bfrom\s*['"]|\brequire\(/)
  expect(gzipSync(script, { level: 9 }).length).toBeLessThan(MAX_BYTES)
})
