import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { DESKTOP, type OpenBrowser, openBrowser, PHONE } from './browser.ts'
import { type RunningApp, runApp } from './running-app.ts'

let app: RunningApp
let browser: OpenBrowser
beforeAll(async () => {
  app = await runApp()
  browser = await openBrowser()
  await app.put('gold', '2400.50')
  await app.put('gold', '2412.75')
  await app.put('quote', '{"bid": 18.930, "ask": 18.950, "venue": "SJC"}')
  await app.put('lease', '"node-1"', { ttlMs: 3_600_000 })
  await app.put('gone', '1')
  await app.delete('gone')
})
afterAll(async () => {
  await browser?.close()
  await app?.close()
})
afterEach(async () => {
  await browser.closePages()
  expect(browser.complaints.splice(0)).toEqual([])
})

async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  expect(
    violations.map(({ id, impact, nodes }) => ({ id, impact, at: nodes.map((node) => node.html) })),
  ).toEqual([])
}

test.each([
  ['desktop, English, light', { ...DESKTOP, colorScheme: 'light' }],
  ['phone, Vietnamese, dark', { ...PHONE, colorScheme: 'dark' }],
] as const)('axe finds nothing on any page: %s', async (_name, options) => {
  for (const [path, ready] of [
    ['/viewer/gold', '.chart canvas'],
    ['/viewer/quote', 'pre.value'],
    ['/viewer/gone', '[data-absent=deleted]'],
    ['/viewer/', 'form input'],
    ['/admin', 'tr[data-key=gold] [data-value]'],
  ] as const) {
    const page = await browser.open(`${app.url}${path}`, options)
    await page.locator(ready).first().waitFor()
    await expectAccessible(page)
  }
  const page = await browser.open(`${app.url}/admin`, options)
  for (const [opener, part] of [
    ['.tools .primary', '#entry-key'],
    ['tr[data-key=quote] button:not(.danger)', '#entry-value'],
    ['tr[data-key=lease] button:not(.danger)', 'dialog .choice'],
    ['tr[data-key=quote] .danger', 'dialog .target'],
  ] as const) {
    await page.locator(opener).click()
    await page.locator(part).waitFor()
    await expectAccessible(page)
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  }
})

test('every control is reached by Tab, and shows that it has the focus', async () => {
  const page = await browser.open(`${app.url}/admin`)
  await page.locator('tr[data-key=gold] [data-value]').waitFor()
  const controls = await page.locator('a, button, input, select').count()
  const reached = new Set<string>()
  for (let count = 0; count < controls; count++) {
    await page.keyboard.press('Tab')
    const [name, outline] = (await page.evaluate(`[
      document.activeElement.outerHTML,
      getComputedStyle(document.activeElement.closest('.theme') ?? document.activeElement).outlineStyle +
        getComputedStyle(document.activeElement).outlineStyle,
    ]`)) as [string, string]
    reached.add(name)
    expect(outline, name).toContain('solid')
  }
  expect(reached.size).toBe(controls)
})
