import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { alternate, type Line, rate } from './figures.ts'
import { load, startLiveKV, temporaryDirectory } from './processes.ts'

const CLIENT = new URL('client-write.ts', import.meta.url).pathname

/** Puts through one client's socket, 512 in flight, each with its idempotency key, against single writes over HTTP. */
export async function socketWrites(): Promise<Line[]> {
  const directory = await temporaryDirectory()
  const http = await startLiveKV({ DATA_DIR: directory.path })
  try {
    const overSocket = async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [CLIENT, http.url, '4'])
      return Number(stdout)
    }
    const overHttp = async () =>
      (await load({ url: http.url, kind: 'add', keys: 1_000, connections: 64, seconds: 4 })).requestsPerSecond
    await overSocket()
    await overHttp()
    const rates = await alternate({ overSocket, overHttp })
    return [
      rate(
        'i. writes through a client’s socket, 512 in flight, against POST /add, 64 connections',
        rates.overSocket,
        rates.overHttp,
        2,
      ),
    ]
  } finally {
    await http.stop()
    await directory.remove()
  }
}
