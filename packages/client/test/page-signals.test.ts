import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { TcpProxy } from '../../server/test/services/tcp-proxy.ts'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import { clientsOfTests } from './support/clients.ts'
import { PretendedPage } from './support/pretended-page.ts'
import { Tap } from './support/tap.ts'

let app: TestApp
let proxy: TcpProxy
let page: PretendedPage
const connect = clientsOfTests()
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.close())
beforeEach(async () => {
  proxy = await TcpProxy.start({ port: app.port })
  page = new PretendedPage()
})
afterEach(async () => {
  vi.restoreAllMocks()
  page.remove()
  await proxy.close()
})

/** As when the device has slept: the wall clock has gone on, timers have not. */
function sleepFor(ms: number): void {
  const now = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => now() + ms)
}

test('the page is seen again, the network comes, the device wakes: the client looks for the server at once', async () => {
  const client = connect(proxy.through(app.url))
  await expect.poll(() => client.state.name).toBe('live')
  await proxy.refuse()
  // After five tries the sixth is more than two seconds away, and so is each first one after a short connection.
  await new Promise((resolve) => setTimeout(resolve, 9_000))
  const signals: Record<string, () => void> = {
    visibilitychange: () => page.signal('visibilitychange'),
    online: () => page.signal('online'),
    pageshow: () => page.signal('pageshow'),
    waking: () => sleepFor(60_000),
  }
  for (const [name, signal] of Object.entries(signals)) {
    await expect.poll(() => client.state.name).toBe('offline')
    await proxy.listen()
    page.hidden = true
    page.signal('visibilitychange')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(proxy.connections, `hidden, before ${name}`).toBe(0)
    page.hidden = false
    signal()
    await expect.poll(() => client.state.name, { timeout: 2_000 }).toBe('live')
    await proxy.refuse()
  }
})

test('after a sleep a link is not believed: a new one is made, and the watch goes on', async () => {
  const tap = new Tap()
  const client = connect(proxy.through(app.url), { json: tap })
  client.watch({ key: 'slept' }, () => {})
  await expect.poll(() => client.state.name).toBe('live')
  sleepFor(60_000)
  await expect.poll(() => tap.watchAnswers.length, { timeout: 3_000 }).toBe(2)
  expect(tap.watchAnswers[1]).toMatchObject({ resumed: true })
  await expect.poll(() => client.state.name).toBe('live')
})

test('a client that is closed listens to the page no more', () => {
  const client = connect(app.url)
  client.onState(() => {})
  expect(page.listeners).toBeGreaterThan(0)
  client.close()
  expect(page.listeners).toBe(0)
})
