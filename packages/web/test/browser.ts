import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { findChromium } from '../../server/test/services/binaries.ts'

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 }, locale: 'en-US' }
export const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  locale: 'vi-VN',
  hasTouch: true,
  isMobile: true,
}

export interface OpenBrowser {
  /** A page with a storage of its own; what goes wrong in it is added to `complaints`. */
  open(url: string, options?: BrowserContextOptions): Promise<Page>
  complaints: string[]
  closePages(): Promise<void>
  close(): Promise<void>
}

export async function openBrowser(): Promise<OpenBrowser> {
  const executablePath = findChromium()
  if (!executablePath) throw new Error('Chromium is not on PATH: apt-get install chromium')
  const browser: Browser = await chromium.launch({ executablePath, args: FLAGS })
  const complaints: string[] = []
  return {
    complaints,
    async open(url, options = DESKTOP) {
      const context = await browser.newContext(options)
      const page = await context.newPage()
      page.setDefaultTimeout(30_000)
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
      })
      page.on('pageerror', (error) => complaints.push(String(error.stack)))
      await page.goto(url)
      return page
    },
    async closePages() {
      await Promise.all(browser.contexts().map((context) => context.close()))
    },
    close: () => browser.close(),
  }
}

export async function waitForValue(page: Page, json: string): Promise<void> {
  await page
    .locator(`[data-value=${JSON.stringify(json)}]`)
    .first()
    .waitFor()
}

/** Notes the viewer's value at every change of the page, from now on; the returned function tells them. */
export async function watchValues(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(`{
    window.seen = []
    const look = () => {
      const value = document.querySelector('[data-value]')?.dataset.value
      if (value !== undefined && value !== seen.at(-1)) seen.push(value)
    }
    look()
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true })
  }`)
  return () => page.evaluate('seen')
}
