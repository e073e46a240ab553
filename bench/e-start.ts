import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { alternate, cost, type Line, median } from './figures.ts'
import { startLiveKV, temporaryDirectory } from './processes.ts'
import { embeddedTarget, openStore, randomPuts } from './stores.ts'

const SIZES = { none: 0, some: 100_000, many: 10_000_000 }

/** Writes the log up to so many changes over 5,000 keys; where it is already there it stays as it is. */
export async function writeLog(path: string, changes: number): Promise<void> {
  const store = await openStore(await embeddedTarget(path))
  for (let head = await store.head(); head < changes; head = await store.head()) {
    await store.commit(randomPuts(Math.min(5_000, changes - head), 5_000))
  }
  await store.close()
}

/** From the start of the process to the first answer of `/readyz`, with 0, 100 thousand and 10 million changes. */
export async function start(): Promise<Line[]> {
  const directory = await temporaryDirectory()
  const paths = {
    none: join(directory.path, 'none'),
    some: join(directory.path, 'some'),
    many: join(directory.path, 'many'),
  }
  try {
    for (const name of ['none', 'some', 'many'] as const) await writeLog(paths[name], SIZES[name])
    const startUp = (path: string) => async () => {
      const from = performance.now()
      const http = await startLiveKV({ DATA_DIR: path })
      const tookMs = performance.now() - from
      await http.stop()
      return tookMs
    }
    const killed = async () => {
      const path = join(directory.path, 'killed')
      await cp(paths.some, path, { recursive: true })
      const http = await startLiveKV({ DATA_DIR: path })
      await fetch(`${http.url}/add`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"key":"k","value":1}',
      })
      await http.stop('SIGKILL')
      return startUp(path)()
    }
    const times = await alternate({
      none: startUp(paths.none),
      some: startUp(paths.some),
      many: startUp(paths.many),
      killed,
    })
    const base = median(times.none)
    return [
      cost('e. start-up with 100,000 changes against none', median(times.some), base, 2, ' ms'),
      cost('e. start-up with 10,000,000 changes against none', median(times.many), base, 2, ' ms'),
      cost(
        'e. start-up with 100,000 changes after SIGKILL against none',
        median(times.killed),
        base,
        2,
        ' ms',
      ),
    ]
  } finally {
    await directory.remove()
  }
}
