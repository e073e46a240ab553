import { once } from 'node:events'
import { type AddressInfo, connect as connectTo, createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import { clientsOfTests } from './support/clients.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.close())
const connect = clientsOfTests()

const BYTES_PER_SECOND = 24 * 1024
const CHUNK_MS = 50

/** What the server sends passes at BYTES_PER_SECOND; what waits stays in the sockets' own buffers. */
async function startSlowLink(): Promise<string> {
  const link = createServer((near) => {
    const far = connectTo({ port: app.port, host: '127.0.0.1' })
    near.pipe(far)
    const chunk = (BYTES_PER_SECOND * CHUNK_MS) / 1_000
    const timer = setInterval(() => {
      const bytes = far.read(Math.min(chunk, far.readableLength)) as Buffer | null
      if (bytes) near.write(bytes)
    }, CHUNK_MS)
    far.on('readable', () => {})
    const end = () => {
      clearInterval(timer)
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) socket.on('close', end).on('error', end)
  })
  await once(link.listen(0, '127.0.0.1'), 'listening')
  return `http://127.0.0.1:${(link.address() as AddressInfo).port}`
}

test('a large state comes over a slow link, at the first try', async () => {
  const writes = Array.from({ length: 220 }, (_, n) => ({
    key: `slow.${n}`,
    value: `${n}`.padEnd(1_000, '-'),
  }))
  await connect(app.url).putMany(writes)
  const client = connect(await startSlowLink())
  const states: string[] = []
  const shown = new Set<string>()
  client.watch({ prefix: 'slow.' }, (event) => {
    if (event.type === 'state') states.push(event.state.name)
    if (event.type === 'put') shown.add(event.key)
  })
  await expect.poll(() => states.at(-1), { timeout: 90_000 }).toBe('live')
  expect(shown.size).toBe(220)
  expect(states).toEqual(['catching-up', 'live'])
})
