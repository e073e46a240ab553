import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { TcpProxy } from '../../server/test/services/tcp-proxy.ts'
import { type OpenBrowser, openBrowser, waitForValue } from './browser.ts'
import { type RunningApp, runApp } from './running-app.ts'

let app: RunningApp
let browser: OpenBrowser
beforeAll(async () => {
  app = await runApp()
  browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  await app?.close()
})
afterEach(async () => {
  await browser.closePages()
  // The browser itself complains of a network that is away.
  const complaints = browser.complaints.splice(0)
  expect(complaints.filter((text) => !/net::ERR_|WebSocket/.test(text))).toEqual([])
})

const AWAY_MS = 15_000
/** The last sign of life may be this old when the network goes: the client asks after 4 s of silence. */
const SILENCE_MS = 10_000

test('the network is away for 15 s: the pages say so before it is back, then show what changed meanwhile', async () => {
  await Promise.all([
    outage(
      'black.hole',
      async (proxy) => proxy.blackHole(),
      async (proxy) => proxy.heal(),
    ),
    outage(
      'cut.off',
      (proxy) => proxy.refuse(),
      (proxy) => proxy.listen(),
    ),
  ])
})

async function outage(
  key: string,
  begin: (proxy: TcpProxy) => Promise<void>,
  end: (proxy: TcpProxy) => Promise<void>,
): Promise<void> {
  await app.put(key, '1')
  const proxy = await proxyToApp()
  try {
    const viewer = await browser.open(proxy.through(`${app.url}/viewer/${key}`))
    const admin = await browser.open(proxy.through(`${app.url}/admin`))
    for (const page of [viewer, admin]) {
      await waitForValue(page, '1')
      await page.locator('[data-connection=live]').waitFor()
    }

    const begunAt = Date.now()
    await begin(proxy)
    let isBack = false
    const back = sleep(AWAY_MS).then(async () => {
      isBack = true
      await end(proxy)
    })
    await app.put(key, '2')
    const offline = [
      expectOffline(viewer, begunAt, 'showing the last known value'),
      expectOffline(admin, begunAt, 'showing the last known values'),
    ]
    await Promise.all(offline)
    expect(isBack, `${key}: the network was back before both pages said that it is away`).toBe(false)
    expect(await viewer.locator('[data-value]').textContent()).toBe('1')
    await back

    for (const page of [viewer, admin]) {
      await page.locator('[data-connection=live]').waitFor()
      await page.getByText('Live', { exact: true }).waitFor()
      await page.locator(`main [data-value="2"]`).first().waitFor()
    }
    await viewer.getByText('Chart of the last 2 values, from 1 to 2').waitFor()
    await viewer.locator('[data-direction=up]').waitFor()
  } finally {
    await proxy.close()
  }
}

async function expectOffline(page: Page, begunAt: number, shown: string): Promise<void> {
  const badge = page.locator('[data-connection=offline]')
  await badge.waitFor()
  const since = Number(await badge.getAttribute('data-since'))
  expect(since).toBeGreaterThan(begunAt - SILENCE_MS)
  expect(since).toBeLessThanOrEqual(Date.now())
  const clock = await page.evaluate(
    `new Intl.DateTimeFormat('en-US', { timeStyle: 'medium' }).format(${since})`,
  )
  expect(await badge.textContent()).toBe(`Offline since ${clock}, ${shown}`)
}

test('a write without a network waits, may be left alone, and ends with what became of it', async () => {
  await app.put('kept', '1')
  await app.put('taken', '1')
  const proxy = await proxyToApp()
  try {
    const page = await browser.open(proxy.through(`${app.url}/admin`))
    await page.locator('tr[data-key=taken] [data-value="1"]').waitFor()
    await page.locator('[data-connection=live]').waitFor()
    await proxy.refuse()
    await page.locator('[data-connection=offline]').waitFor()

    for (const key of ['kept', 'taken']) {
      await page.getByRole('button', { name: `Edit ${key}` }).click()
      await page.getByLabel('Value (JSON)').fill('20')
      await page.getByRole('button', { name: 'Save' }).click()
      await page.getByText('The server has not confirmed this yet.').waitFor()
      await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
      await page.getByText(`${key}: the server has not confirmed the change yet`).waitFor()
    }
    await app.put('taken', '3')
    await proxy.listen()

    await page.getByText('kept was saved').waitFor()
    await page.locator('tr[data-key=kept] [data-value="20"]').waitFor()
    await page.getByRole('alert').getByText('taken: The key was changed by somebody else first').waitFor()
    await page.locator('tr[data-key=taken] [data-value="3"]').waitFor()
    expect(await app.valueText('taken')).toBe('3')
    await page.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('alert').waitFor({ state: 'detached' })
    expect(await page.locator('[data-waiting]').count()).toBe(0)
  } finally {
    await proxy.close()
  }
})

function proxyToApp(): Promise<TcpProxy> {
  return TcpProxy.start({ port: Number(new URL(app.url).port) })
}
