import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
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

/** The page as the README has it, but for the port. */
async function pageOf(readme: string): Promise<string> {
  const text = await readFile(resolve(import.meta.dirname, '../../..', readme), 'utf8')
  const html = /```html\n(.*?)```/s.exec(text)![1]!
  expect(html.trim().split('\n').length).toBe(5)
  return html.replaceAll('http://localhost:8080', `http://localhost:${new URL(app.url).port}`)
}

test('both READMEs have the same five lines', async () => {
  expect(await pageOf('README.vi.md')).toBe(await pageOf('README.md'))
})

test('the five lines of the README, served by another server of this machine, show a live price', async () => {
  const html = await pageOf('README.md')
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html')
    response.end(html)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    await app.put('gold.sjc.buy', '118.75')
    const page = await browser.open(`http://localhost:${(server.address() as AddressInfo).port}/price.html`)
    await page.getByRole('heading', { name: '118.75' }).waitFor()
    await app.put('gold.sjc.buy', '119.25')
    await page.getByRole('heading', { name: '119.25' }).waitFor()
    // That it has no icon is the browser's only complaint.
    expect(browser.complaints.splice(0).filter((text) => !/favicon/.test(text))).toEqual([])
  } finally {
    await browser.closePages()
    server.close()
  }
})

test('opened as a file it is refused, as the README says', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'livekv-readme-'))
  try {
    const file = join(directory, 'price.html')
    await writeFile(file, await pageOf('README.md'))
    await browser.open(pathToFileURL(file).href)
    await expect
      .poll(() => browser.complaints.join('\n'), { timeout: 30_000 })
      .toMatch(/origin 'null' has been blocked by CORS policy/)
  } finally {
    await browser.closePages()
    browser.complaints.splice(0)
    await rm(directory, { recursive: true, force: true })
  }
})
