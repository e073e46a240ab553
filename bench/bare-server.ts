/**
 * The yardstick: Express 5 and nothing else, with answers of the same shape and size. `node bare-server.ts` prints its
 * URL and serves until it is ended.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'

const app = express()
app.post('/add', express.json(), (_request, response) => {
  response.json({ success: true, message: 'Value stored successfully', revision: 1_234_567 })
})
app.get('/get/:key', (_request, response) => {
  response.json({
    value: 2650.12,
    updatedAt: '2026-01-02T03:04:05.678Z',
    source: 'cache',
    revision: 1_234_567,
  })
})
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`)
