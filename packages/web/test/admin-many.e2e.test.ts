import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type OpenBrowser, openBrowser } from './browser.ts'
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
  expect(browser.complaints.splice(0)).toEqual([])
})

const row = (key: string) => `tr[data-key=${JSON.stringify(key)}]`
const rowWith = (key: string, json: string) => `${row(key)} [data-value=${JSON.stringify(json)}]`

test('with too many keys to watch them all, the list comes again and the rows stay live', async () => {
  await app.put('m.first', '1')
  const page = await browser.open('about:blank')
  const sent: string[] = []
  page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => sent.push(String(payload))))
  await page.goto(`${app.url}/admin`)
  await page.locator(rowWith('m.first', '1')).waitFor()
  await page.locator('[data-connection=live]').waitFor()
  expect(sent.some((frame) => frame.includes('"prefix":""'))).toBe(true)

  // They come while everything is watched: that ends.
  await app.putMany(Array.from({ length: 5_200 }, (_, number) => `n.${String(number).padStart(5, '0')}`))
  await page.getByText('5,201 keys', { exact: true }).waitFor()
  await expect.poll(() => sent.some((frame) => frame.includes('"unwatch"')), { timeout: 30_000 }).toBe(true)
  await expect
    .poll(() => sent.some((frame) => frame.includes('"keys":["m.first"]')), { timeout: 30_000 })
    .toBe(true)
  await app.put('m.first', '2')
  await page.locator(rowWith('m.first', '2')).waitFor()

  await page.getByRole('button', { name: 'Next' }).click()
  await page.locator(rowWith('n.00049', '49')).waitFor()
  await app.put('n.00049', '"moved"')
  await page.locator(rowWith('n.00049', '"moved"')).waitFor()

  await page.getByRole('button', { name: 'Previous' }).click()
  await app.put('a.new', '1')
  await page.locator(rowWith('a.new', '1')).waitFor()
  await app.delete('a.new')
  await page.locator(row('a.new')).waitFor({ state: 'detached' })

  await page.getByRole('button', { name: 'Add key' }).click()
  await page.getByLabel('Key', { exact: true }).fill('b.mine')
  await page.getByLabel('Value (JSON)').fill('18.930')
  await page.keyboard.press('Control+Enter')
  await page.locator(rowWith('b.mine', '18.930')).waitFor()

  // A page that comes now watches its rows only.
  const later = await browser.open(`${app.url}/admin`)
  await later.getByText('5,202 keys', { exact: true }).waitFor()
  await later.getByLabel('Search keys').fill('n.0517')
  await later.locator(rowWith('n.05171', '5171')).waitFor()
  await app.put('n.05171', '0')
  await later.locator(rowWith('n.05171', '0')).waitFor()
})

test('a list that the server cuts says so, and its rows are live', async () => {
  const small = await runApp({ KEYS_LIMIT: '2' })
  try {
    await small.putMany(['a', 'b', 'c'])
    const page = await browser.open(`${small.url}/admin`)
    await page.getByText('the most recent 2 keys', { exact: true }).waitFor()
    await page.locator(rowWith('c', '2')).waitFor()
    await small.put('c', '3')
    await page.locator(rowWith('c', '3')).waitFor()
    await page.getByLabel('Search keys').fill('a')
    await page.getByText('0 of the most recent 2 match').waitFor()
    await page.getByText('Only the most recent 2 keys are listed and searched.').waitFor()
  } finally {
    await browser.closePages()
    await small.close()
  }
})
