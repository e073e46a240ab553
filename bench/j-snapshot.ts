import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { type Line, median } from './figures.ts'
import { startLiveKV, temporaryDirectory } from './processes.ts'
import { embeddedTarget, fill, openStore } from './stores.ts'

const CLIENT = new URL('client-snapshot.ts', import.meta.url).pathname
const KEYS = 100_000
const ROUNDS = 5

/** How long a client waits for a snapshot of 100,000 keys, and what that adds to the server's memory (Linux only). */
export async function snapshot(): Promise<Line[]> {
  const directory = await temporaryDirectory()
  try {
    const store = await openStore(await embeddedTarget(directory.path))
    await fill(store, KEYS)
    await store.close()
    const http = await startLiveKV({ DATA_DIR: directory.path })
    const tookMs: number[] = []
    const addedMiB: number[] = []
    let client = 0
    for (let round = 0; round < ROUNDS; round++) {
      await forgetPeak(http.pid)
      const before = await memoryMiB(http.pid, 'VmRSS')
      const { stdout } = await promisify(execFile)(process.execPath, [CLIENT, http.url])
      const told = JSON.parse(stdout) as { tookMs: number; entries: number; peakMiB: number }
      if (told.entries !== KEYS) throw new Error(`${told.entries} entries came instead of ${KEYS}`)
      tookMs.push(told.tookMs)
      client = Math.max(client, told.peakMiB)
      addedMiB.push((await memoryMiB(http.pid, 'VmHWM')) - before)
    }
    await http.stop()
    const figures = `${median(tookMs).toFixed(0)} ms; server's peak ${Math.max(...addedMiB).toFixed(0)} MiB above what it had, client's whole process ${client.toFixed(0)} MiB`
    return [{ name: 'j. snapshot of 100,000 keys to one client', figures, aim: 'told', met: undefined }]
  } finally {
    await directory.remove()
  }
}

async function memoryMiB(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1_024
}

/** The kernel's highest mark begins anew: proc(5), clear_refs. */
async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5')
}
