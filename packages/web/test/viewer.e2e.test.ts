import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { DESKTOP, type OpenBrowser, openBrowser, PHONE, waitForValue, watchValues } from './browser.ts'
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

  test.each([
    ['an answer that the changes have overtaken', 'before'],
    ['an answer that has the changes too', 'after'],
  ] as const)('history and changes join without a gap or a double point: %s', async (_name, read) => {
    const key = `joined.${read}`
    for (let value = 1; value <= 20; value++) await app.put(key, String(value))
    const page = await browser.open('about:blank')
    const [asked, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    await page.route('**/api/v1/history?*', async (route) => {
      const early = read === 'before' ? await route.fetch() : undefined
      asked.resolve()
      await release.promise
      await route.fulfill({ response: early ?? (await route.fetch()) })
    })
    await page.goto(`${app.url}/viewer/${key}`)
    await waitForValue(page, '20')
    await asked.promise
    const seen = await watchValues(page)
    for (let value = 21; value <= 25; value++) {
      await app.put(key, String(value))
      await waitForValue(page, String(value))
    }
    await page.getByText('Chart of the last 6 values, from 20 to 25, lowest 20, highest 25').waitFor()
    release.resolve()
    await page.getByText('Chart of the last 25 values, from 1 to 25, lowest 1, highest 25').waitFor()
    await app.put(key, '26')
    await page.getByText('Chart of the last 26 values, from 1 to 26, lowest 1, highest 26').waitFor()
    const values = (await seen()).map(Number)
    expect(values).toEqual(values.toSorted((a, b) => a - b))
    expect(values.at(-1)).toBe(26)
  })

  test('a value that is dated back takes its place in the chart, and is the present one', async () => {
    await app.put('dated', '10', { time: '2024-01-02' })
    await app.put('dated', '30', { time: '2024-01-04' })
    const page = await browser.open(`${app.url}/viewer/dated`)
    await page.getByText('Chart of the last 2 values, from 10 to 30').waitFor()
    await app.put('dated', '20', { time: '2024-01-03' })
    await waitForValue(page, '20')
    await page.getByText('Chart of the last 3 values, from 10 to 30').waitFor()
    await page.getByText('Dated Jan 3, 2024').waitFor()
    expect(await page.locator('[data-direction]').textContent()).toContain('−10 (−33.3%)')
    // What a reader sees who comes later is the same.
    await page.reload()
    await page.getByText('Chart of the last 3 values, from 10 to 30').waitFor()
    await page.locator('[data-direction=down]').waitFor()
  })

  test('says what is wrong when the server refuses the key, in the language of the page', async () => {
    const page = await browser.open(`${app.url}/viewer/${'k'.repeat(600)}`, { ...DESKTOP, locale: 'vi' })
    await page.getByRole('alert').getByText('Khóa dài từ 1 đến 512 byte').waitFor()
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
    await app.put('phone', '1')
    await app.put('phone', '2')
    for (const path of ['phone', key, 'none-yet']) {
      const page = await browser.open(`${app.url}/viewer/${path}`, PHONE)
      await page.locator('main .card').first().waitFor()
      expect(await page.evaluate('document.documentElement.scrollWidth'), path).toBe(390)
    }
    const page = await browser.open(`${app.url}/viewer/phone`, PHONE)
    await page.locator('.chart canvas').first().waitFor()
    // Without scrolling: value, connection, chart, and everything that can be touched.
    for (const part of ['[data-value]', '[data-connection]', '.chart', 'nav a', '.theme', '.segments']) {
      const box = (await page.locator(part).first().boundingBox())!
      expect(box.x, part).toBeGreaterThanOrEqual(0)
      expect(box.x + box.width, part).toBeLessThanOrEqual(390)
      expect(box.y, part).toBeLessThan(844)
    }
    await page.getByRole('button', { name: 'English' }).tap()
    await page.getByRole('link', { name: 'All keys' }).tap()
    await page.getByRole('heading', { name: 'Keys' }).waitFor()
  })
})

test('the pages say when the server is gone, and go on from where they were; another store is told', async () => {
  await app.put('gold', '1')
  const page = await browser.open(`${app.url}/viewer/gold`)
  await waitForValue(page, '1')
  await page.locator('[data-connection=live]').waitFor()
  const admin = await browser.open(`${app.url}/admin`)
  await admin.locator('tr[data-key=gold] [data-value="1"]').waitFor()
  await app.stop()
  await page.locator('[data-connection=offline]').waitFor()
  await page.getByText(/^Offline since .*, showing the last known value$/).waitFor()
  await waitForValue(page, '1')
  await app.start()
  await app.put('gold', '2')
  await page.locator('[data-connection=live]').waitFor()
  await waitForValue(page, '2')
  await admin.locator('tr[data-key=gold] [data-value="2"]').waitFor()
  expect(await page.locator('[data-reset]').count()).toBe(0)

  // Another store starts its revisions anew: what was shown of the old one is void.
  await app.stop()
  await app.start(true)
  await page.locator('[data-absent=never]').waitFor()
  await page.getByText('the server began anew').waitFor()
  await admin.locator('[data-empty]').waitFor()
  expect(await page.locator('.chart').count()).toBe(0)
  await app.put('gold', '3')
  await waitForValue(page, '3')
  await admin.locator('tr[data-key=gold] [data-value="3"]').waitFor()
  // The browser itself complains of the connections that were refused.
  const complaints = browser.complaints.splice(0)
  expect(complaints.filter((text) => !/ERR_CONNECTION|WebSocket|status of 503/.test(text))).toEqual([])
})

test('a browser that cannot keep digits says so', async () => {
  await app.put('digits', '18.930')
  const page = await browser.open('about:blank')
  await page.addInitScript('delete JSON.rawJSON')
  await page.goto(`${app.url}/viewer/digits`)
  await waitForValue(page, '18.93')
  await page.getByText('This browser shortens numbers').waitFor()
})
