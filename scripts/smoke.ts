/**
 * `npm run smoke -- URL` tests a running deployment by the address that its users have:
 *
 *   ready -> pages -> write, read, history -> watches of both protocols see a write -> deleted again -> Kafka UI
 *
 * It writes one key of its own, `smoke.…`, and deletes it; what it wrote stays in the history. Kafka UI is looked for at
 * port 9090 of the same host: `--kafka-ui=URL` names another place, `--no-kafka-ui` leaves it out. What may still be
 * starting, LiveKV and Kafka UI, is waited for up to 60 s (`--wait=SECONDS`); each other step may take 10 s. Ends with 0 if
 * all of them passed.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@livekv/client'
import { io, type Socket } from 'socket.io-client'
import { main } from './child.cjs'

const STEP_LIMIT_MS = 10_000
const WAIT_SECONDS = 60
const PAUSE_MS = 1_000
const USAGE = `npm run smoke -- [URL] [--kafka-ui=URL | --no-kafka-ui] [--wait=SECONDS]
(URL: http://localhost, SECONDS: ${WAIT_SECONDS} by default)`

interface Step {
  name: string
  /** It may be starting: it is tried again for so long. */
  waitMs?: number
  /** Resolves with what is worth telling; rejects with what is wrong. */
  run(signal: AbortSignal): Promise<string>
}

main(() => smoke(process.argv.slice(2)))

async function smoke(args: readonly string[]): Promise<{ code: number }> {
  const options = args.filter((arg) => arg.startsWith('--'))
  const [address = 'http://localhost', ...more] = args.filter((arg) => !arg.startsWith('--'))
  const url = URL.parse(address)
  const kafkaUi = options.includes('--no-kafka-ui') ? undefined : kafkaUiAddress(options, url)
  const unknown = options.some((option) => !/^--(?:no-kafka-ui$|kafka-ui=|wait=\d{1,5}$)/.test(option))
  const wait = options.find((option) => option.startsWith('--wait='))
  const waitMs = Number(wait?.slice('--wait='.length) ?? WAIT_SECONDS) * 1_000
  if (!url?.protocol.startsWith('http') || kafkaUi === null || unknown || more.length > 0) {
    console.error(USAGE)
    return { code: 2 }
  }
  const steps = stepsAt(url.origin, waitMs)
  if (kafkaUi) steps.push({ name: 'Kafka UI', waitMs, run: (signal) => page(kafkaUi, signal) })
  console.log(`LiveKV at ${url.origin}`)
  let failed = 0
  for (const [index, step] of steps.entries()) {
    if (await passes(step)) continue
    failed++
    if (index > 0) continue
    console.log(
      'Nothing else is tried before it is ready: see its log, in Docker with docker compose logs app nginx.',
    )
    return { code: 1 }
  }
  console.log(`\n${steps.length - failed} passed, ${failed} failed`)
  return { code: failed > 0 ? 1 : 0 }
}

/** Null: not an address. */
function kafkaUiAddress(options: readonly string[], url: URL | null): URL | null {
  const given = options.find((option) => option.startsWith('--kafka-ui='))
  return URL.parse(given?.slice('--kafka-ui='.length) ?? `http://${url?.hostname}:9090/`)
}

async function passes({ name, waitMs = 0, run }: Step): Promise<boolean> {
  const startedMs = performance.now()
  let waiting = false
  for (;;) {
    try {
      const told = await inTime(run)
      console.log(` ✓ ${name} ${Math.round(performance.now() - startedMs)} ms  ${told}`)
      return true
    } catch (error) {
      const { message, cause } = error as Error
      const detail = cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : ''
      const reason = `${message}${detail ? ` (${detail})` : ''}`
      if (performance.now() - startedMs + PAUSE_MS > waitMs) {
        console.log(` ✗ ${name}: ${reason}`)
        return false
      }
      if (!waiting) console.log(` … waiting up to ${waitMs / 1_000} s for ${name}: ${reason}`)
      waiting = true
      await sleep(PAUSE_MS)
    }
  }
}

async function inTime(run: Step['run']): Promise<string> {
  const signal = AbortSignal.timeout(STEP_LIMIT_MS)
  const late = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error(`Nothing in ${STEP_LIMIT_MS / 1_000} s.`)))
  })
  return Promise.race([run(signal), late])
}

function stepsAt(url: string, waitMs: number): Step[] {
  const key = `smoke.${randomUUID()}`
  return [
    { name: 'ready', waitMs, run: (signal) => ready(url, signal) },
    { name: 'dashboard', run: (signal) => page(new URL('/admin', url), signal) },
    { name: 'viewer', run: (signal) => page(new URL(`/viewer/${key}`, url), signal) },
    { name: 'client for pages', run: (signal) => page(new URL('/livekv.js', url), signal) },
    {
      name: 'client of Socket.IO',
      run: (signal) => page(new URL('/socket.io/socket.io.js', url), signal),
    },
    { name: 'write', run: (signal) => write(url, key, 1, signal) },
    { name: 'read', run: (signal) => read(url, key, 1, signal) },
    {
      name: 'watch',
      run: (signal) => seesWrite(url, key, 2, signal, (seen, end) => watchLive(url, key, seen, end)),
    },
    ...(['websocket', 'polling'] as const).map((transport, index) => ({
      name: `classic watch over ${transport}`,
      run: (signal: AbortSignal) =>
        seesWrite(url, key, 3 + index, signal, (seen, end) => watchClassic(url, key, transport, seen, end)),
    })),
    { name: 'history', run: (signal) => history(url, key, [1, 2, 3, 4], signal) },
    { name: 'delete', run: (signal) => remove(url, key, signal) },
  ]
}

async function ready(url: string, signal: AbortSignal): Promise<string> {
  const { status } = await json<{ status: string }>(await fetch(new URL('/readyz', url), { signal }))
  const running = await json<{ version: string; instance: string; revision: number }>(
    await fetch(new URL('/api/v1/status', url), { signal }),
  )
  return `${status}: version ${running.version}, instance ${running.instance}, revision ${running.revision}`
}

async function page(url: URL, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { signal })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url} answers ${response.status}.`)
  // The server answers with a script that says so.
  if (text.includes('not built yet')) throw new Error(`${url} is not built: npm run build.`)
  return `${url}, ${text.length} characters`
}

async function write(url: string, key: string, value: number, signal: AbortSignal): Promise<string> {
  const response = await fetch(new URL('/add', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key, value }),
    signal,
  })
  const { revision } = await json<{ revision: number }>(response)
  return `revision ${revision}`
}

async function read(url: string, key: string, value: number, signal: AbortSignal): Promise<string> {
  const found = await json<{ value: unknown; source: string }>(
    await fetch(new URL(`/get/${key}`, url), { signal }),
  )
  if (found.value !== value) throw new Error(`The value is ${JSON.stringify(found.value)}, not ${value}.`)
  return `from ${found.source}`
}

/** `watch` calls `seen` at each value of the key, and resolves when it is sure to miss none. It ends with `signal`. */
async function seesWrite(
  url: string,
  key: string,
  value: number,
  signal: AbortSignal,
  watch: (seen: (value: unknown) => void, signal: AbortSignal) => Promise<void>,
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const done = new AbortController()
  try {
    await watch(
      (seen) => {
        if (seen === value) resolve()
      },
      AbortSignal.any([signal, done.signal]),
    )
    const startedMs = performance.now()
    await write(url, key, value, signal)
    await Promise.race([promise, once(signal, 'abort')])
    return `${(performance.now() - startedMs).toFixed(1)} ms from the write to the watcher`
  } finally {
    done.abort()
  }
}

function watchLive(
  url: string,
  key: string,
  seen: (value: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  const client = createClient(url)
  signal.addEventListener('abort', () => client.close())
  return new Promise((resolve, reject) => {
    client.watch({ key }, (event) => {
      if (event.type === 'current') resolve()
      else if (event.type === 'error') reject(event.error)
      else if (event.type === 'put') seen(event.value)
    })
  })
}

function watchClassic(
  url: string,
  key: string,
  transport: 'websocket' | 'polling',
  seen: (value: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  const socket: Socket = io(url, { transports: [transport], forceNew: true })
  signal.addEventListener('abort', () => socket.disconnect())
  return new Promise((resolve, reject) => {
    socket.on('connect', () => socket.emit('subscribe', key))
    socket.on('connect_error', reject)
    socket.on('subscribed', ({ status, error }: { status: string; error?: string }) => {
      if (status === 'success') resolve()
      else reject(new Error(error))
    })
    socket.on('valueUpdate', (update: { key: string; value: unknown }) => {
      if (update.key === key) seen(update.value)
    })
  })
}

async function history(url: string, key: string, values: readonly number[], signal: AbortSignal) {
  const { changes } = await json<{ changes: { value: unknown }[] }>(
    await fetch(new URL(`/api/v1/history?key=${key}&order=asc`, url), { signal }),
  )
  const found = JSON.stringify(changes.map((change) => change.value))
  if (found !== JSON.stringify(values)) throw new Error(`It has ${found}, not ${JSON.stringify(values)}.`)
  return `${changes.length} changes`
}

async function remove(url: string, key: string, signal: AbortSignal): Promise<string> {
  const address = new URL(`/api/v1/entries/${key}`, url)
  await json(await fetch(address, { method: 'DELETE', signal }))
  const { status } = await fetch(address, { signal })
  if (status !== 404) throw new Error(`The key still answers ${status}.`)
  return 'the key is gone'
}

async function json<T>(response: Response): Promise<T> {
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.url} answers ${response.status}: ${text.slice(0, 300)}`)
  return JSON.parse(text) as T
}
