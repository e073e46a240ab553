import { alternate, cost, type Line, median } from './figures.ts'
import { load, startLiveKV, temporaryDirectory } from './processes.ts'
import { commitRate, embeddedTarget, fill, openStore } from './stores.ts'

const FEW = 1_000
const MANY = 1_000_000

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
    const overHttp = async (path: string, count: number) => {
      const http = await startLiveKV({ DATA_DIR: path })
      const plan = { url: http.url, keys: count, connections: 64, seconds: 4 }
      await load({ ...plan, kind: 'add', seconds: 2 })
      const write = await load({ ...plan, kind: 'add' })
      const read = await load({ ...plan, kind: 'get' })
      await http.stop()
      if (write.errors + read.errors > 0)
        throw new Error(`${write.errors} writes and ${read.errors} reads failed`)
      return { write: write.requestsPerSecond, read: read.requestsPerSecond }
    }
    const reads: { few: number[]; many: number[] } = { few: [], many: [] }
    const writes = await alternate({
      few: async () => {
        const { write, read } = await overHttp(few.path, FEW)
        reads.few.push(read)
        return write
      },
      many: async () => {
        const { write, read } = await overHttp(many.path, MANY)
        reads.many.push(read)
        return write
      },
    })
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
