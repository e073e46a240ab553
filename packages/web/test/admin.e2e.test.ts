import type { Entry } from '@livekv/protocol'
import type { Locator } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { DESKTOP, type OpenBrowser, openBrowser, PHONE } from './browser.ts'
import { type RunningApp, runApp } from './running-app.ts'

const HOUR_MS = 3_600_000

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

test('an empty store tells how to write, then keys are added, edited and deleted by keyboard', async () => {
  const page = await browser.open(`${app.url}/admin`)
  await page.locator('[data-empty]').waitFor()
  expect(await page.locator('.command code').textContent()).toContain(`curl ${app.url}/add`)
  await page.evaluate('window.loadedOnce = true')

  await page.getByRole('button', { name: 'Add key' }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: 'Add a key' }).waitFor()
  await page.keyboard.type('gold/sjc')
  await page.keyboard.press('Tab')
  await page.keyboard.type('76.50')
  await page.getByText('✓ Number').waitFor()
  await page.keyboard.press('Control+Enter')
  await page.locator(rowWith('gold/sjc', '76.50')).waitFor()
  expect(await app.valueText('gold/sjc')).toBe('76.50')
  await page.getByText('1 key', { exact: true }).waitFor()
  expect(await page.evaluate('document.activeElement.textContent')).toBe('Add key')

  await page.getByRole('button', { name: 'Edit gold/sjc' }).focus()
  await page.keyboard.press('Enter')
  expect(await page.getByLabel('Value (JSON)').inputValue()).toBe('76.50')
  await page.keyboard.press('Control+A')
  await page.keyboard.type('sold out')
  await page.getByText('This is not JSON.').waitFor()
  await page.getByRole('button', { name: 'Store as text' }).click()
  await page.locator(rowWith('gold/sjc', '"sold out"')).waitFor()
  expect(await app.valueText('gold/sjc')).toBe('"sold out"')

  await page.getByRole('button', { name: 'Delete gold/sjc' }).click()
  await page.getByRole('dialog', { name: 'Delete this key?' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  expect(await app.valueText('gold/sjc')).toBe('"sold out"')
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.locator('[data-empty]').waitFor()
  expect(await app.valueText('gold/sjc')).toBeUndefined()
  expect(await page.evaluate('window.loadedOnce')).toBe(true)
})

test('an edit sends the digits that were written', async () => {
  await app.put('big', '{"n": 12345678901234567890.10, "s": "a"}')
  const page = await browser.open(`${app.url}/admin`)
  await page.getByRole('button', { name: 'Edit big' }).click()
  const value = page.getByLabel('Value (JSON)')
  expect(await value.inputValue()).toBe('{\n  "n": 12345678901234567890.10,\n  "s": "a"\n}')
  await value.fill('12345678901234567891.10')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.locator(rowWith('big', '12345678901234567891.10')).waitFor()
  expect(await app.valueText('big')).toBe('12345678901234567891.10')
})

test('a dialog has the focus at once: what is typed next goes into it', async () => {
  await app.put('quick', '1')
  const page = await browser.open(`${app.url}/admin`)
  await page.locator(rowWith('quick', '1')).waitFor()
  // Before the browser draws another frame.
  const focused = await page.evaluate(`(async () => {
    document.querySelector('${row('quick')} button').click()
    for (let task = 0; task < 10; task++) await undefined
    return document.activeElement.id
  })()`)
  expect(focused).toBe('entry-value')
})

test('an edit of what changed or went meanwhile asks before it overwrites', async () => {
  await app.put('moving', '1')
  const page = await browser.open(`${app.url}/admin`)
  const edit = async (value: string) => {
    await page.getByRole('button', { name: 'Edit moving' }).click()
    await page.getByLabel('Value (JSON)').fill(value)
  }
  await edit('10')
  await app.put('moving', '2.50')
  await page.getByText('It changed while you were editing. It is now 2.50').waitFor()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Not saved, because it is no longer as it was').waitFor()
  expect(await app.valueText('moving')).toBe('2.50')
  await page.getByRole('button', { name: 'Overwrite' }).click()
  await page.locator(rowWith('moving', '10')).waitFor()

  await edit('20')
  await app.delete('moving')
  await page.getByText('It was deleted while you were editing.').waitFor()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Not saved, because it is no longer as it was').waitFor()
  expect(await app.valueText('moving')).toBeUndefined()
  await page.getByRole('button', { name: 'Overwrite' }).click()
  await page.locator(rowWith('moving', '20')).waitFor()
})

/** In ms since 1970; undefined: never. */
async function expiryOf(key: string): Promise<number | undefined> {
  const { expiresAt } = (await (await fetch(`${app.url}/api/v1/entries?key=${key}`)).json()) as Entry
  return expiresAt === undefined ? undefined : Date.parse(expiresAt)
}

/** Whatever a slow machine takes to write is far less than what the page's clock is off. */
const NEAR_MS = HOUR_MS / 4

test('an edit keeps the expiry, by the server’s clock, unless told not to; a key without one is not asked about', async () => {
  for (const key of ['lease', 'forever']) await app.put(key, '1')
  const page = await browser.open('about:blank')
  await page.addInitScript(`{
    const now = Date.now
    Date.now = () => now() + ${2 * HOUR_MS}
  }`)
  await page.goto(`${app.url}/admin`)
  await page.locator(rowWith('lease', '1')).waitFor()
  await page.locator('[data-connection=live]').waitFor()
  await app.put('lease', '2', { ttlMs: HOUR_MS })
  await page.locator(rowWith('lease', '2')).waitFor()
  const before = (await expiryOf('lease'))!

  const keep = page.getByRole('checkbox', { name: 'Keep its expiry' })
  const edit = async (key: string, value: string) => {
    await page.getByRole('button', { name: `Edit ${key}` }).click()
    await page.getByLabel('Value (JSON)').fill(value)
  }
  const save = async (key: string, value: string, button = 'Save') => {
    await page.getByRole('button', { name: button }).click()
    await page.locator(rowWith(key, value)).waitFor()
  }
  await edit('lease', '3')
  await keep.waitFor()
  const clock = await page.evaluate(
    `new Intl.DateTimeFormat('en-US', { timeStyle: 'medium' }).format(${before})`,
  )
  expect(await page.locator('.choice').textContent()).toContain(clock)
  await save('lease', '3')
  expect(Math.abs((await expiryOf('lease'))! - before)).toBeLessThan(NEAR_MS)

  await page.getByRole('button', { name: 'Add key' }).click()
  await page.getByLabel('Key', { exact: true }).fill('lease')
  await page.getByLabel('Value (JSON)').fill('4')
  await keep.waitFor()
  await save('lease', '4', 'Replace its value')
  expect(Math.abs((await expiryOf('lease'))! - before)).toBeLessThan(NEAR_MS)

  await edit('lease', '5')
  await keep.uncheck()
  await save('lease', '5')
  expect(await expiryOf('lease')).toBeUndefined()

  // It gets an expiry while it is edited: what is overwritten then has it too.
  await edit('forever', '2')
  await app.put('forever', '9', { ttlMs: HOUR_MS })
  await page.getByRole('button', { name: 'Save' }).click()
  await keep.waitFor()
  const found = (await expiryOf('forever'))!
  await save('forever', '2', 'Overwrite')
  expect(Math.abs((await expiryOf('forever'))! - found)).toBeLessThan(NEAR_MS)

  const asked = page.waitForResponse(/entries\/get/)
  await edit('lease', '6')
  await (await asked).finished()
  expect(await keep.count()).toBe(0)
  await save('lease', '6')
  expect(await expiryOf('lease')).toBeUndefined()
})

test('adding asks before it replaces, and names what is wrong with key and value', async () => {
  await app.put('there', '1')
  const page = await browser.open(`${app.url}/admin`)
  await page.getByRole('button', { name: 'Add key' }).click()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Enter a key.').waitFor()
  await page.getByText('Enter a value.').waitFor()
  await page.getByLabel('Key', { exact: true }).fill('k'.repeat(600))
  await page.getByText('The key has 600 bytes').waitFor()
  await page.getByLabel('Value (JSON)').fill('1e400')
  await page.getByText('larger than can be stored').waitFor()
  await page.getByLabel('Key', { exact: true }).fill('there')
  await page.getByLabel('Value (JSON)').fill('[2]')
  await page.getByText('This key has a value already.').waitFor()
  await page.getByRole('button', { name: 'Replace its value' }).click()
  await page.locator(rowWith('there', '[2]')).waitFor()
})

test('values and keys of others appear by themselves; a changed one flashes', async () => {
  await app.put('btc', '1')
  const page = await browser.open(`${app.url}/admin`)
  await page.locator(rowWith('btc', '1')).waitFor()
  await page.locator('[data-connection=live]').waitFor()
  await app.put('btc', '2')
  await page.locator(`${rowWith('btc', '2')}.flash`).waitFor()
  await app.put('eth', 'null')
  await page.locator(rowWith('eth', 'null')).waitFor()
  await app.delete('btc')
  await page.locator(row('btc')).waitFor({ state: 'detached' })
})

test('thousands of keys are shown a page at a time and found by searching', async () => {
  await app.putMany(Array.from({ length: 3000 }, (_, number) => `sensor.${String(number).padStart(4, '0')}`))
  const page = await browser.open(`${app.url}/admin`)
  await page.getByLabel('Search keys').fill('SENSOR.2')
  await page.getByText(/^1,000 of 3,\d+ match$/).waitFor()
  expect(await page.locator('tbody tr').count()).toBe(50)
  await page.locator(rowWith('sensor.2049', '2049')).waitFor()
  await page.getByRole('button', { name: 'Next' }).click()
  await page.locator(rowWith('sensor.2050', '2050')).waitFor()
  await page.getByText('51–100 of 1,000').waitFor()
  await page.getByLabel('Search keys').fill('nowhere')
  await page.getByText('No key contains “nowhere”').waitFor()
})

test('keys of every kind lead to their viewer', async () => {
  for (const key of ['a/b c 🪙', '..', '100%', '?q#h']) {
    await app.put(key, '"here"')
    const page = await browser.open(`${app.url}/admin`)
    await page.getByLabel('Search keys').fill(key)
    await page.locator(row(key)).getByRole('link', { name: 'Watch' }).first().click()
    await page.getByRole('heading', { name: key, exact: true }).waitFor()
    await page.getByText('here', { exact: true }).waitFor()
  }
})

test('speaks the language of the browser, switches, and remembers', async () => {
  const page = await browser.open(`${app.url}/admin`, { ...DESKTOP, locale: 'vi' })
  await page.getByRole('heading', { name: 'Khóa' }).waitFor()
  await page.getByRole('button', { name: 'Thêm khóa' }).click()
  await page.getByRole('dialog', { name: 'Thêm khóa' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'English' }).click()
  await page.getByRole('heading', { name: 'Keys' }).waitFor()
  await page.reload()
  await page.getByRole('heading', { name: 'Keys' }).waitFor()
})

test('fits a phone, with its dialogs and everything that can be touched', async () => {
  const key = `very.long.${'key'.repeat(100)}`
  await app.put(key, `[${'1234567890,'.repeat(100)}1]`)
  const page = await browser.open(`${app.url}/admin`, PHONE)
  await page.getByLabel('Tìm khóa').fill(key)
  await page.locator(row(key)).waitFor()
  const width = () => page.evaluate('document.documentElement.scrollWidth')
  expect(await width()).toBe(390)
  const controls = await page.locator('a, button, input, select').all()
  expect(controls.length).toBeGreaterThan(7)
  for (const control of controls) await expectWithin(control, 390)
  await page.getByRole('button', { name: `Sửa ${key}` }).tap()
  await page.getByRole('dialog').waitFor()
  expect(await width()).toBe(390)
  for (const part of ['dialog', 'dialog textarea', 'dialog .primary']) {
    await expectWithin(page.locator(part), 390)
  }
  await page.getByRole('button', { name: 'Hủy' }).tap()
  await page.getByRole('button', { name: 'Thêm khóa' }).tap()
  await page.getByRole('dialog', { name: 'Thêm khóa' }).waitFor()
})

async function expectWithin(control: Locator, width: number): Promise<void> {
  const box = (await control.boundingBox())!
  expect(box.x).toBeGreaterThanOrEqual(0)
  expect(box.x + box.width).toBeLessThanOrEqual(width)
}
