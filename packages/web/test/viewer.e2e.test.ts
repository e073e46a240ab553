import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { DESKTOP, type OpenBrowser, openBrowser, PHONE, waitForValue } from './browser.ts'
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

describe('the viewer', () => {
  test('shows a written value and moves on the next write, without a reload', async () => {
    await app.put('gold', '2400.50')
    const page = await browser.open(`${app.url}/viewer/gold`)
    await waitForValue(page, '2400.50')
    expect(await page.locator('.value').textContent()).toBe('2,400.50')
    await page.locator('[data-connection=live]').waitFor()
    await page.evaluate('window.loadedOnce = true')

    await app.put('gold', '2412.75')
    await waitForValue(page, '2412.75')
    expect(await page.locator('[data-direction]').getAttribute('data-direction')).toBe('up')
    expect(await page.locator('[data-direction]').textContent()).toContain('+12.25 (+0.51%)')
    await page.locator('.chart canvas').first().waitFor()
    expect(await page.locator('[data-chart]').textContent()).toContain('2 values')

    await app.put('gold', '2400')
    await page.locator('[data-direction=down]').waitFor()
    expect(await page.title()).toBe('2,400 · gold · LiveKV')
    expect(await page.evaluate('window.loadedOnce')).toBe(true)
  })

  test('fills the chart from history', async () => {
    const writes = Array.from({ length: 250 }, (_, value) => ({ op: 'put', key: 'old', value }))
    await fetch(`${app.url}/api/v1/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ writes }),
    })
    const page = await browser.open(`${app.url}/viewer/old`)
    await waitForValue(page, '249')
    expect(await page.locator('[data-chart]').textContent()).toContain('200 values, from 50 to 249')
  })

  test('shows what was written digit by digit, and other values readably', async () => {
    await app.put('many', '12345678901234567890.50')
    const page = await browser.open(`${app.url}/viewer/many`)
    await waitForValue(page, '12345678901234567890.50')
    expect(await page.locator('.value').textContent()).toBe('12,345,678,901,234,567,890.50')
    await app.put('many', '98765432109876543210')
    await waitForValue(page, '98765432109876543210')
    await app.put('many', '{"b":[1,"x"],"a":{}}')
    await page.getByText('"b": [').waitFor()
    expect(await page.locator('.value').textContent()).toBe(
      '{\n  "b": [\n    1,\n    "x"\n  ],\n  "a": {}\n}',
    )
    await app.put('many', '"<b>xin chào</b>"')
    await page.getByText('<b>xin chào</b>', { exact: true }).waitFor()
    await app.put('many', 'null')
    await waitForValue(page, 'null')
  })

  test('tells how to write a key that has no value, and follows it through deletion', async () => {
    const key = `it's a/new "key" 🪙 100%`
    const page = await browser.open(`${app.url}/viewer/${encodeURIComponent(key)}`)
    await page.locator('[data-absent=never]').waitFor()
    const line = (await page.locator('.command code').textContent())!
    await promisify(execFile)('bash', ['-c', line])
    await waitForValue(page, '2400.5')
    expect(await page.locator('h1').textContent()).toBe(key)

    await fetch(`${app.url}/api/v1/entries?key=${encodeURIComponent(key)}`, { method: 'DELETE' })
    await page.locator('[data-absent=deleted]').waitFor()
    const again = await browser.open(page.url())
    await again.locator('[data-absent=deleted]').waitFor()

    await app.put(key, '7')
    await waitForValue(page, '7')
    await waitForValue(again, '7')
  })

  test.each(['..', '.', 'a/../b', '%2F', 'a?b#c', ' '])('follows the key %j, also by ?key=', async (key) => {
    await app.put(key, '1')
    const page = await browser.open(`${app.url}/viewer/?key=${encodeURIComponent(key)}`)
    await waitForValue(page, '1')
    if (key === '.' || key === '..') return
    const byPath = await browser.open(`${app.url}/viewer/${encodeURIComponent(key)}`)
    await waitForValue(byPath, '1')
  })

  test('never shows an older value after a newer one, when a read is overtaken by a push', async () => {
    await app.put('late', '1')
    const page = await browser.open('about:blank')
    const [held, release, readAgain] = [0, 1, 2].map(() => Promise.withResolvers<void>())
    let reads = 0
    await page.route('**/api/v1/entries/get', async (route) => {
      if (++reads > 1) {
        readAgain!.resolve()
        return route.continue()
      }
      const response = await route.fetch()
      held!.resolve()
      await release!.promise
      await route.fulfill({ response })
    })
    await page.goto(`${app.url}/viewer/late`)
    await held!.promise
    await page.locator('[data-connection=live]').waitFor()
    await app.put('late', '2')
    await waitForValue(page, '2')
    await page.evaluate(`{
      window.seen = []
      const look = () => seen.push(document.querySelector('[data-value]')?.dataset.value)
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true })
    }`)
    release!.resolve()
    // The page reads again because the connection was made meanwhile, and only after it took the late answer.
    await readAgain!.promise
    await app.put('late', '3')
    await waitForValue(page, '3')
    const seen = await page.evaluate('seen')
    expect(seen).not.toContain('1')
    expect(seen).toContain('3')
    await page.unrouteAll({ behavior: 'ignoreErrors' })
  })

  test('switches language and theme, and remembers both', async () => {
    const page = await browser.open(`${app.url}/viewer/gold`, { ...DESKTOP, locale: 'vi-VN' })
    await page.getByText('Tất cả khóa').waitFor()
    await page.getByRole('button', { name: 'English' }).click()
    await page.getByText('All keys').waitFor()
    expect(await page.locator('html').getAttribute('lang')).toBe('en')
    await page.getByLabel('Theme').selectOption('dark')
    await page.reload()
    await page.getByText('All keys').waitFor()
    expect(await page.locator('html').getAttribute('data-theme')).toBe('dark')
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(14, 19, 25)')
  })

  test('follows the theme of the system', async () => {
    const page = await browser.open(`${app.url}/viewer/gold`, { ...DESKTOP, colorScheme: 'dark' })
    expect(await page.locator('html').getAttribute('data-theme')).toBe('dark')
    await page.emulateMedia({ colorScheme: 'light' })
    await page.locator('html[data-theme=light]').waitFor()
  })

  test('fits a phone, however long key and value are', async () => {
    const key = `long.${'k'.repeat(300)}`
    await app.put(key, JSON.stringify(`${'v'.repeat(500)} ${'w '.repeat(100)}`))
    for (const path of ['gold', key, 'none-yet']) {
      const page = await browser.open(`${app.url}/viewer/${path}`, PHONE)
      await page.locator('main .card').first().waitFor()
      expect(await page.evaluate('document.documentElement.scrollWidth'), path).toBe(390)
    }
  })
})

test('the viewer says when the connection is lost, and catches up after it', async () => {
  await app.put('gold', '1')
  const page = await browser.open(`${app.url}/viewer/gold`)
  await waitForValue(page, '1')
  await page.locator('[data-connection=live]').waitFor()
  await app.stop()
  await page.locator('[data-connection=reconnecting]').waitFor()
  await page.getByText('Last known value').waitFor()
  await page.locator('[data-connection=offline]').waitFor()
  await page.getByText('Offline since').first().waitFor()
  await app.start()
  await app.put('gold', '2')
  await page.locator('[data-connection=live]').waitFor()
  await waitForValue(page, '2')

  // Another store starts its revisions anew: what was shown of the old one is void.
  await app.stop()
  await app.start(true)
  await page.locator('[data-absent=never]').waitFor()
  await app.put('gold', '3')
  await waitForValue(page, '3')
  // The browser itself complains of the connections that were refused.
  const complaints = browser.complaints.splice(0)
  expect(complaints.filter((text) => !/ERR_CONNECTION|WebSocket|status of 503/.test(text))).toEqual([])
})
