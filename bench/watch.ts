/** Classic watchers of `gold` in a process of their own; the value is the time of sending, on the same clock. */
import { io } from 'socket.io-client'

const [url, count] = process.argv.slice(2)
const latencies: number[] = []
let subscribed = 0
for (let n = 0; n < Number(count); n++) {
  const socket = io(url as string, { transports: ['websocket'], forceNew: true })
  socket.on('subscribed', () => {
    if (++subscribed === Number(count)) process.send?.('ready')
  })
  socket.on('valueUpdate', ({ value }: { value: number }) => {
    latencies.push(performance.timeOrigin + performance.now() - value)
  })
  socket.on('connect', () => socket.emit('subscribe', 'gold'))
}
process.on('message', () => process.send?.(latencies))
