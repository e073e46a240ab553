/** `npm run demo`: start -> say what to open -> until Ctrl-C. An argument names another data directory. */
import { resolve } from 'node:path'
import { readEnvironment } from '@livekv/server'
import { startDemo } from './demo.ts'

const DATA_DIR = resolve(import.meta.dirname, '../data/demo')
/** Then something hangs. What was acknowledged is on disk. */
const STOP_MAX_MS = 15_000

async function main(dataDir = DATA_DIR): Promise<void> {
  const signal = new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, resolve)
  })
  const demo = await startDemo({ dataDir, environment: readEnvironment() })
  announce(demo.url, dataDir)
  const reason = await Promise.race([signal, demo.failed])
  setTimeout(() => process.exit(1), STOP_MAX_MS).unref()
  await demo.close()
  if (reason instanceof Error) throw reason
}

function announce(url: string, dataDir: string): void {
  const at = new URL(url)
  // What people can open: a wildcard address is none.
  if (['127.0.0.1', '0.0.0.0', '[::]', '[::1]'].includes(at.hostname)) at.hostname = 'localhost'
  process.stdout.write(`LiveKV demo: a made-up market, some ten prices a second. Open:
  ${at.origin}/admin                 all keys
  ${at.origin}/viewer/gold.world     gold, US dollars an ounce
  ${at.origin}/viewer/gold.sjc.sell  gold bars in Vietnam, million dong
  ${at.origin}/viewer/bitcoin
  ${at.origin}/viewer/stock.NVDA
Its data is in ${dataDir} and nowhere else. Ctrl-C ends it.
`)
}

main(process.argv[2]).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  process.exit(1)
})
