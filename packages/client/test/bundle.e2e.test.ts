import { readdir, readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import { type OpenBrowser, openBrowser } from '../../web/test/browser.ts'
import { Packed, ROOT, succeed } from './support/packed.ts'

const require = createRequire(join(ROOT, 'packages/web/package.json'))
const VITE = join(dirname(require.resolve('vite/package.json')), 'bin/vite.js')

let app: TestApp
let browser: OpenBrowser
beforeAll(async () => {
  await succeed(process.execPath, ['packages/client/scripts/build.mjs', 'browser'], ROOT)
  app = await startTestApp()
  browser = await openBrowser()
})
afterAll(async () => {
  await browser.close()
  await app.close()
})

const page = (script: string) => `<!doctype html><title>test</title><output></output>${script}`
const show = (from: string) => `
  import { createClient } from '${from}'
  const client = createClient(new URLSearchParams(location.search).get('server') ?? undefined)
  client.value('shown').subscribe((entry) => {
    document.querySelector('output').textContent = entry === undefined ? '…' : String(entry?.value)
  })
  document.onclick = () => client.increment('shown')
`

/** Shows the value, writes with a click, and goes on after the server was not to be reached. */
async function tryOut(url: string): Promise<void> {
  const opened = await browser.open(url)
  const output = opened.locator('output')
  await app.call('PUT', '/api/v1/entries?key=shown', { value: 1 })
  await expect.poll(() => output.textContent()).toBe('1')
  await opened.mouse.click(10, 10)
  await expect.poll(() => output.textContent()).toBe('2')
  await opened.context().setOffline(true)
  await opened.context().setOffline(false)
  await app.call('PUT', '/api/v1/entries?key=shown', { value: 'again' })
  await expect.poll(() => output.textContent()).toBe('again')
  expect(browser.complaints.filter((text) => !text.includes('ERR_INTERNET_DISCONNECTED'))).toEqual([])
  await browser.closePages()
}

test('in an empty project the package is bundled whole, and works in a browser', async ({ skip }) => {
  const packed = await Packed.make()
  const project = await packed.project('vite', {
    'index.html': page('<script type="module" src="/main.js"></script>'),
    'main.js': show('@livekv/client'),
  })
  if (project === undefined) return skip('npm cannot reach its registry')
  await succeed(process.execPath, [VITE, 'build', '--logLevel', 'warn'], project)
  const assets = join(project, 'dist/assets')
  const [script] = await readdir(assets)
  const code = await readFile(join(assets, script!), 'utf8')
  expect(code).not.toMatch(/\bimport\s*[("'{*]|\bfrom\s*['"]|\brequire\(/)
  const site = await serve({
    '/': await readFile(join(project, 'dist/index.html')),
    [`/assets/${script}`]: code,
  })
  await tryOut(`http://127.0.0.1:${(site.address() as AddressInfo).port}/?server=${app.url}`)
  site.close()
  await packed.remove()
})

test('a page without any tools takes /livekv.js from the server', async () => {
  const site = await serve({ '/': page(`<script type="module">${show(`${app.url}/livekv.js`)}</script>`) })
  await tryOut(`http://127.0.0.1:${(site.address() as AddressInfo).port}/?server=${app.url}`)
  site.close()
})

async function serve(files: Record<string, string | Buffer>): Promise<Server> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    const file = files[path]
    response.writeHead(file === undefined ? 204 : 200, {
      'content-type': path.endsWith('.js') ? 'text/javascript' : 'text/html; charset=utf-8',
    })
    response.end(file)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
