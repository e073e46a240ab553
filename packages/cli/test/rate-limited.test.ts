import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startTestApp } from '../../server/test/support/test-app.ts'
import { startCli } from './support/run-cli.ts'

const ROWS = 300

test('an import that meets the rate limit takes longer, and writes every row once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'livekv-cli-limited-'))
  const app = await startTestApp({ RATE_LIMIT_WRITES: '100', RATE_LIMIT_WINDOW: '1s' })
  try {
    const path = join(directory, 'rows.ndjson')
    const rows = Array.from({ length: ROWS }, (_, n) => JSON.stringify({ key: `k${n}`, value: n }))
    await writeFile(path, `${rows.join('\n')}\n`)
    const ended = await startCli(['import', path, '--json'], { url: app.url }).ended
    expect(ended.stderr).toBe('')
    expect(ended.code).toBe(0)
    expect(JSON.parse(ended.stdout)).toMatchObject({ rows: ROWS, applied: ROWS })
    const { changes, head } = (await app.call('GET', '/api/v1/changes?limit=5000')).json
    expect(head).toBe(ROWS)
    expect(changes.map(({ value }: { value: number }) => value)).toEqual(rows.map((_, n) => n))
  } finally {
    await app.close()
    await rm(directory, { recursive: true, force: true })
  }
})
