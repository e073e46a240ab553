/** A client that keeps 512 puts in flight over its socket, in a process of its own; prints its rate. */
import { createClient } from '../packages/client/src/index.ts'

const IN_FLIGHT = 512
const KEYS = 1_000

const [url, seconds] = process.argv.slice(2)
const client = createClient(url)
await client.put('key-0', 0)
const start = performance.now()
const end = start + Number(seconds) * 1_000
let written = 0
const lane = async () => {
  while (performance.now() < end) {
    await client.put(`key-${Math.floor(Math.random() * KEYS)}`, Math.random() * 1_000)
    written++
  }
}
await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
process.stdout.write(`${written / ((performance.now() - start) / 1_000)}\n`)
client.close()
