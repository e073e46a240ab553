/**
 * Classic watchers of `gold` in a process of their own; the value is the time of sending, on the same clock.
 *
 * Over plain sockets that speak just enough of WebSocket and Socket.IO: a hundred full clients in one process take
 * several milliseconds to look at one change, and would measure themselves.
 */
import { connect } from 'node:net'

const [url, count] = process.argv.slice(2)
const { hostname, port } = new URL(url as string)
const latencies: number[] = []
let subscribed = 0

function watch(): void {
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  let rest = Buffer.alloc(0)
  let isOpen = false
  const say = (text: string) => {
    // Every client's frame is masked; by zeros the text stays as it is.
    const payload = Buffer.from(text)
    socket.write(Buffer.concat([Buffer.of(0x81, 0x80 | payload.length, 0, 0, 0, 0), payload]))
  }
  const hear = (text: string) => {
    if (text === '2') say('3')
    else if (text.startsWith('0')) say('40')
    else if (text.startsWith('40')) say('42["subscribe","gold"]')
    else if (text.startsWith('42["subscribed"')) {
      if (++subscribed === Number(count)) process.send?.('ready')
    } else if (text.startsWith('42["valueUpdate"')) {
      const sentAt = Number.parseFloat(text.slice(text.indexOf('"value":') + 8))
      // Not the value that was there when it subscribed.
      if (sentAt > performance.timeOrigin) latencies.push(performance.timeOrigin + performance.now() - sentAt)
    }
  }
  socket.on('data', (chunk) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    if (!isOpen) {
      const end = rest.indexOf('\r\n\r\n')
      if (end < 0) return
      isOpen = true
      rest = rest.subarray(end + 4)
    }
    for (;;) {
      const short = (rest[1] ?? 0) & 0x7f
      const start = short === 126 ? 4 : 2
      if (rest.length < start) return
      const length = short === 126 ? rest.readUInt16BE(2) : short
      if (rest.length < start + length) return
      hear(rest.toString('utf8', start, start + length))
      rest = rest.subarray(start + length)
    }
  })
  socket.write(
    `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bGl2ZWt2LWJlbmNobWFyaw==\r\n\r\n`,
  )
}

for (let n = 0; n < Number(count); n++) watch()
process.on('message', () => process.send?.(latencies))
