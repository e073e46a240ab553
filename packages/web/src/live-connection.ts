import type { ClassicValueUpdate } from '@livekv/protocol'
import { type ReadonlySignal, signal } from '@preact/signals'
import { io } from 'socket.io-client'

/**
 * The one file that knows how changes reach a page: the classic Socket.IO events.
 *
 * connect -> (subscribe -> subscribed) -> onReady: re-read what is shown -> onChange … -> lost -> connect …
 *
 * Between `onReady` and the loss of the connection every change is given to `onChange` at least once; what happened
 * before has to be read in `onReady`. Order is by revision: the receiver drops what is not newer than what it has.
 */
export type ConnectionState =
  | { name: 'connecting' | 'reconnecting' | 'offline'; sinceMs: number }
  | { name: 'live' }

export interface LiveOptions {
  /** Only this key's changes; without it those of every key. */
  key?: string
  onReady(): void
  onChange(change: ClassicValueUpdate): void
}

/** After this long without a connection the page says offline; it goes on trying. */
const OFFLINE_AFTER_MS = 10_000
/** After this silence the server is asked whether it is there: Socket.IO itself would take 45 s to notice. */
const PROBE_AFTER_MS = 5_000
const PROBE_TIMEOUT_MS = 3_000

export function connectLive(options: LiveOptions): ReadonlySignal<ConnectionState> {
  const state = signal<ConnectionState>({ name: 'connecting', sinceMs: Date.now() })
  const socket = io({ reconnectionDelay: 300, reconnectionDelayMax: 3000, timeout: 5000 })

  const lost = () => {
    const sinceMs = state.value.name === 'live' ? Date.now() : state.value.sinceMs
    const offline = !navigator.onLine || Date.now() - sinceMs > OFFLINE_AFTER_MS
    const first = state.value.name === 'connecting' && !offline
    state.value = { name: offline ? 'offline' : first ? 'connecting' : 'reconnecting', sinceMs }
  }
  const ready = () => {
    if (state.value.name === 'live') return
    state.value = { name: 'live' }
    options.onReady()
  }

  socket.on('connect', () => (options.key === undefined ? ready() : socket.emit('subscribe', options.key)))
  socket.on('subscribed', (answer: { status: string; key: string }) => {
    if (answer.status === 'success') ready()
  })
  if (options.key === undefined) {
    socket.on('update', ({ data }: { data: ClassicValueUpdate }) => options.onChange(data))
  } else {
    socket.on('valueUpdate', (change: ClassicValueUpdate) => {
      if (change.key === options.key) options.onChange(change)
    })
  }
  socket.on('disconnect', (reason) => {
    lost()
    if (reason === 'io server disconnect') socket.connect()
  })
  socket.on('connect_error', lost)
  addEventListener('online', () => {
    if (!socket.connected) socket.disconnect().connect()
  })
  setInterval(() => {
    if (state.value.name !== 'live') lost()
  }, 1000)
  keepHonest(socket)
  return state
}

/** Asks a silent server for a sign of life, over HTTP; without one the socket is made anew. */
function keepHonest(socket: ReturnType<typeof io>): void {
  let heardMs = Date.now()
  socket.onAny(() => {
    heardMs = Date.now()
  })
  setInterval(async () => {
    if (!socket.connected || document.hidden || Date.now() - heardMs < PROBE_AFTER_MS) return
    heardMs = Date.now()
    try {
      await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })
    } catch {
      if (socket.connected) socket.disconnect().connect()
    }
  }, 1000)
}
