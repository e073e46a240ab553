import { alternate, cost, type Line, median } from './figures.ts'
import { load, startLiveKV, temporaryDirectory } from './processes.ts'
import { commitRate, embeddedTarget, fill, openStore } from './stores.ts'

const FEW = 1_000
const MANY = 1_000_000
/** Reads: room for all of them, since by default a server keeps the values of some 200,000 keys in memory. */
const ROOM = { CACHE_MAX_BYTES: String(512 * 2 ** 20), TAIL_MAX_ENTRIES: String(2 * MANY) }

/** 1,000 and 1,000,000 keys taken at random, embedded: writes and reads through HTTP, batches of 500 at the store. */
export async function keys(): Promise<Line[]> {
  const few = await temporaryDirectory()
  const many = await temporaryDirectory()
  try {
    for (const [directory, count] of [
      [few, FEW],
      [many, MANY],
    ] as const) {
      const store = await openStore(await embeddedTarget(directory.path))
      await fill(store, count)
      await store.close()
    }
    const counts = { few: FEW, many: MANY }
    const against = async (kind: 'add' | 'get', seconds: number, warmSeconds: number, settings = {}) => {
      // Both run all the time: whole cycles of checkpoints are in the figures, not the first seconds of one.
      const servers = {
        few: await startLiveKV({ DATA_DIR: few.path, ...settings }),
        many: await startLiveKV({ DATA_DIR: many.path, ...settings }),
      }
      const run = async (name: 'few' | 'many', forSeconds: number) => {
        const plan = {
          url: servers[name].url,
          keys: counts[name],
          connections: 64,
          kind,
          seconds: forSeconds,
        }
        const { requestsPerSecond, errors } = await load(plan)
        if (errors > 0) throw new Error(`${errors} requests (${kind}) failed`)
        return requestsPerSecond
      }
      await run('few', 5)
      await run('many', warmSeconds)
      const rates = await alternate({ few: () => run('few', seconds), many: () => run('many', seconds) })
      await servers.few.stop()
      await servers.many.stop()
      return rates
    }
    const writes = await against('add', 6, 10)
    const reads = await against('get', 3, 60, ROOM)
    const atStore = async (path: string, count: number) => {
      const store = await openStore(await embeddedTarget(path))
      const result = await commitRate((batch) => store.commit(batch), 500, count, 8)
      await store.close()
      return result
    }
    const batches = await alternate(
      { few: () => atStore(few.path, FEW), many: () => atStore(many.path, MANY) },
      3,
    )
    const slower = (name: string, rates: { few: number[]; many: number[] }, most: number) =>
      cost(name, 1e6 / median(rates.many), 1e6 / median(rates.few), most, ' µs')
    return [
      slower('d. write through HTTP, 1,000,000 keys against 1,000', writes, 1.5),
      slower('d. read through HTTP, 1,000,000 keys against 1,000', reads, 1.5),
      slower('d. a row in batches of 500 at the store, 1,000,000 keys against 1,000', batches, 3),
    ]
  } finally {
    await few.remove()
    await many.remove()
  }
}
