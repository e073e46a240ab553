import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp } from '../../server/test/support/test-app.ts'
import { nodes, Packed, ROOT, succeed } from './support/packed.ts'

const require = createRequire(import.meta.url)
const TSC = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc')

let packed: Packed
beforeAll(async () => {
  packed = await Packed.make()
})
afterAll(() => packed.remove())

test('the tarball holds what is needed and nothing else', async () => {
  await succeed('tar', ['-xzf', packed.tarball], packed.directory)
  const directory = join(packed.directory, 'package')
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(directory.length + 1))
  const notTypes = files.filter((file) => !/^types\/(client|protocol)\/src\/[a-z-]+\.d\.ts$/.test(file))
  expect(notTypes.toSorted()).toEqual(['LICENSE', 'README.md', 'index.js', 'livekv.js', 'package.json'])
  // Classes of the inside have no types of their own outside.
  expect(files).toContain('types/client/src/index.d.ts')
  expect(files.join(' ')).not.toMatch(/link|connection\.d|shared-watch/)

  const manifest = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'))
  expect(manifest).toMatchObject({ name: '@livekv/client', license: 'MIT', type: 'module' })
  expect(Object.keys(manifest.dependencies)).toEqual(['socket.io-client', 'socket.io-parser'])
  for (const name of ['private', 'scripts', 'devDependencies']) expect(manifest).not.toHaveProperty(name)
  for (const file of files) {
    const text = await readFile(join(directory, file), 'utf8')
    expect(text, file).not.toContain(ROOT)
    if (file !== 'README.md') expect(text, file).not.toContain('@livekv/protocol')
  }
})

test('packing changes nothing under version control, also when it fails', async () => {
  const changed = () => succeed('git', ['status', '--porcelain', '--', 'packages/client'], ROOT)
  const manifest = () => readFile(join(ROOT, 'packages/client/package.json'), 'utf8')
  const before = [await manifest(), await changed()]
  await expect(packed.pack(join(packed.directory, 'no such directory'))).rejects.toThrow('ENOENT')
  await packed.pack()
  expect([await manifest(), await changed()]).toEqual(before)
})

test('a program with the package connects, writes, watches, and ends', async ({ skip }) => {
  const app = await startTestApp()
  const program = `
    import { createClient, LiveKVError } from '@livekv/client'
    const client = createClient(process.argv[2])
    const told = []
    client.watch({ key: 'k' }, (event) => told.push(event.type))
    await client.put('k', 1.5)
    for await (const { value } of client.watch({ key: 'k' })) if (value === 1.5) break
    const error = await client.put('k', 1, { ifAbsent: true }).catch((error) => error)
    const { value } = await client.get('k')
    console.log(JSON.stringify({ value, error: error instanceof LiveKVError && error.code, told: told.includes('put') }))
    client.close()
  `
  const project = await packed.project('program', { 'program.mjs': program })
  if (project === undefined) return skip('npm cannot reach its registry')
  for (const node of await nodes()) {
    const output = await succeed(node, ['program.mjs', app.url], project)
    expect(JSON.parse(output), node).toEqual({ value: 1.5, error: 'REVISION_CONFLICT', told: true })
  }
  await app.close()
})

const CONSUMER = `
  import { createClient, exactNumbers, LiveKVError, type Client, type Entry, type Value, type WatchEvent } from '@livekv/client'
  import { createClient as another } from '@livekv/client/livekv.js'

  const client: Client = createClient('http://localhost:8080', { json: exactNumbers })
  another(new URL('http://localhost:8080')).close()
  const stop: () => void = client.watch<number>({ prefix: 'gold.' }, (event: WatchEvent<number>) => {
    if (event.type === 'put') event.value.toFixed(event.initial ? 1 : 2)
    else if (event.type === 'delete') event.value satisfies undefined
    else if (event.type === 'error') event.error.code satisfies string
    else if (event.type === 'state') event.state.since satisfies number
  })
  const gold: Value<{ price: number }> = client.value<{ price: number }>('gold')
  gold.subscribe((entry) => entry?.value.price.toFixed())
  const all: Promise<Map<string, Omit<Entry, 'value'> & { value: string }>> = client.getMany<string>(['a'])
  async function loop() {
    for await (const change of client.watch<string>({ all: true })) change.value?.toUpperCase()
    for await (const { key } of client.list({ prefix: 'a' })) key.toUpperCase()
    try {
      const { revision } = await client.put('gold', { price: [1, null] }, { ifAbsent: true, ttlMs: 5 })
      revision.toFixed()
    } catch (error) {
      if (error instanceof LiveKVError && error.code === 'REVISION_CONFLICT') error.status.toFixed()
    }
  }
  // @ts-expect-error: not JSON
  client.put('gold', undefined)
  // @ts-expect-error: no selection
  client.watch({ name: 'gold' })
  // @ts-expect-error: no such code
  new LiveKVError('NO_SUCH_CODE', '')
  // @ts-expect-error: a price is no string
  gold.get()?.value.price.toUpperCase()
  export { all, loop, stop }
`

test('its types are complete by themselves, for Node and for bundlers', async ({ skip }) => {
  const project = await packed.project('types', { 'consumer.ts': CONSUMER })
  if (project === undefined) return skip('npm cannot reach its registry')
  const options = [
    '--noEmit',
    '--strict',
    '--exactOptionalPropertyTypes',
    '--types',
    '',
    '--lib',
    'es2022,dom',
  ]
  for (const resolution of [
    ['--module', 'node16', '--moduleResolution', 'node16'],
    ['--module', 'esnext', '--moduleResolution', 'bundler'],
  ]) {
    await succeed(
      process.execPath,
      [TSC, ...options, '--target', 'es2022', ...resolution, 'consumer.ts'],
      project,
    )
  }
})
