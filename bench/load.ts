/**
 * Load from a process of its own: `node load.ts '{"url":…,"keys":1000,…}'` prints what it measured as JSON.
 *
 * Over plain sockets, one request under way on each connection, a new random key each time: load tools that prepare
 * their requests repeat few keys, and those that make each one anew take as much of the machine as the server.
 */
import { connect, type Socket } from 'node:net'

export interface LoadPlan {
  url: string
  kind: 'add' | 'get' | 'batch'
  /** Keys are taken at random from this many. */
  keys: number
  connections: number
  seconds: number
  /** Each connection from an address of its own, 127.0.N.1, as Nginx's `ip_hash` tells clients apart. */
  fromManyAddresses?: boolean
  /** Items of a batch. */
  items?: number
}

export interface LoadResult {
  requestsPerSecond: number
  /** Answers that were not 2xx. */
  errors: number
  p50Ms: number
  p99Ms: number
}

function requestMaker({ kind, keys, items = 1, url }: LoadPlan): () => string {
  const { host } = new URL(url)
  const key = () => `key-${Math.floor(Math.random() * keys)}`
  const value = () => (2_000 + Math.random() * 1_000).toFixed(2)
  const post = (path: string, body: string) =>
    `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  if (kind === 'get') return () => `GET /get/${key()} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  if (kind === 'add') return () => post('/add', `{"key":"${key()}","value":${value()}}`)
  return () => {
    const writes = Array.from({ length: items }, () => `{"op":"put","key":"${key()}","value":${value()}}`)
    return post('/api/v1/batch', `{"writes":[${writes.join(',')}]}`)
  }
}

async function run(plan: LoadPlan): Promise<LoadResult> {
  const { hostname, port } = new URL(plan.url)
  const make = requestMaker(plan)
  const latencies: number[] = []
  let errors = 0
  const start = performance.now()
  const end = start + plan.seconds * 1_000

  const drive = (_: unknown, n: number) =>
    new Promise<void>((resolve, reject) => {
      let answer = ''
      let length = -1
      let isLast = false
      let sentAt = 0
      let socket: Socket
      const open = () => {
        socket = connect({
          host: hostname,
          port: Number(port),
          noDelay: true,
          ...(plan.fromManyAddresses && { localAddress: `127.0.${n + 1}.1` }),
          // Without a stream around it: half the work of a request here, and the machine is shared with the server.
          onread: { buffer: Buffer.allocUnsafe(256 * 1024), callback: take },
        })
        socket.on('error', reject).on('connect', send)
      }
      const take = (bytes: number, buffer: Uint8Array) => {
        const chunk = (buffer as Buffer).toString('latin1', 0, bytes)
        answer = length < 0 && answer === '' ? chunk : answer + chunk
        if (length < 0) {
          const head = answer.indexOf('\r\n\r\n')
          if (head < 0) return true
          const headers = answer.slice(0, head + 2).toLowerCase()
          const name = headers.indexOf('content-length: ')
          length = head + 4 + Number.parseInt(headers.slice(name + 16), 10)
          // A proxy does so after a number of requests.
          isLast = headers.includes('connection: close')
        }
        if (answer.length < length) return true
        latencies.push(performance.now() - sentAt)
        if (answer.charCodeAt(9) !== 50) errors++
        if (isLast) {
          socket.destroy()
          answer = ''
          length = -1
          open()
        } else send()
        return true
      }
      const send = () => {
        sentAt = performance.now()
        if (sentAt >= end) {
          socket.destroy()
          resolve()
          return
        }
        answer = ''
        length = -1
        socket.write(make(), 'latin1')
      }
      open()
    })
  await Promise.all(Array.from({ length: plan.connections }, drive))

  latencies.sort((a, b) => a - b)
  const at = (q: number) => latencies[Math.floor(latencies.length * q)] ?? Number.NaN
  const seconds = (performance.now() - start) / 1_000
  return { requestsPerSecond: latencies.length / seconds, errors, p50Ms: at(0.5), p99Ms: at(0.99) }
}

process.stdout.write(`${JSON.stringify(await run(JSON.parse(process.argv[2] as string)))}\n`)
