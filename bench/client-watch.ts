/**
 * Clients that watch `gold`, a connection each, in a process of their own. Values are `[number of the write, time of
 * sending]`, on the same clock.
 */
import { createClient } from '../packages/client/src/index.ts'

export interface Watched {
  latencies: number[]
  /** The last write that each has been shown. */
  last: number[]
}

const [url, count] = process.argv.slice(2)
const watched: Watched = { latencies: [], last: [] }
let current = 0
for (let n = 0; n < Number(count); n++) {
  watched.last.push(-1)
  createClient(url).watch<[number, number]>({ key: 'gold' }, (event) => {
    if (event.type === 'put' && !event.initial) {
      watched.latencies.push(performance.timeOrigin + performance.now() - event.value[1])
      watched.last[n] = event.value[0]
    } else if (event.type === 'current' && ++current === Number(count)) process.send?.('ready')
  })
}
process.on('message', () => {
  process.send?.(watched)
})
