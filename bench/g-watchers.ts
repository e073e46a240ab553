import { type Line, quantile } from './figures.ts'
import { startLiveKV, temporaryDirectory } from './processes.ts'
import { latencyFigures, WRITES_PER_SECOND, writeToWatcher } from './write-to-watcher.ts'

const WATCHERS = 100

/** From sending a write over HTTP to a classic watcher's `valueUpdate`: 100 watchers of one key, 50 writes a second. */
export async function watchers(): Promise<Line[]> {
  const directory = await temporaryDirectory()
  const http = await startLiveKV({ DATA_DIR: directory.path })
  try {
    const latencies = await writeToWatcher(http.url, http.url, WATCHERS)
    return [
      {
        name: `g. write to classic watcher, ${WATCHERS} watchers × ${WRITES_PER_SECOND} writes/s`,
        figures: latencyFigures(latencies),
        aim: 'p50 ≤ 3 ms, p99 ≤ 10 ms',
        met: quantile(latencies, 0.5) <= 3 && quantile(latencies, 0.99) <= 10,
      },
    ]
  } finally {
    await http.stop()
    await directory.remove()
  }
}
