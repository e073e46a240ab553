/** A client that watches everything, in a process of its own; prints how long it took until it was current, in ms. */
import { createClient } from '../packages/client/src/index.ts'

const [url] = process.argv.slice(2)
const client = createClient(url)
await client.get('key-0')
const start = performance.now()
let entries = 0
client.watch({ all: true }, (event) => {
  if (event.type === 'put') entries++
  if (event.type === 'error') throw event.error
  if (event.type !== 'current') return
  const peakMiB = process.resourceUsage().maxRSS / 1_024
  process.stdout.write(`${JSON.stringify({ tookMs: performance.now() - start, entries, peakMiB })}\n`)
  client.close()
})
