import type { Command } from 'commander'
import { usage } from './failure.ts'
import { Server } from './server.ts'

export const DEFAULT_URL = 'http://127.0.0.1:8080'

/** How long a command and an import or export go on trying; well below the 10 minutes that idempotency keys live. */
export const COMMAND_PATIENCE_MS = 10_000
export const TRANSFER_PATIENCE_MS = 300_000

export interface Context {
  server: Server
  /** Machine-readable output was asked for. */
  json: boolean
  /** Aborted by Ctrl-C. */
  signal: AbortSignal
}

export type ContextOf = (command: Command, patienceMs?: number) => Context

export function contextFrom(signal: AbortSignal): ContextOf {
  return (command, patienceMs = COMMAND_PATIENCE_MS) => {
    const { url, json } = command.optsWithGlobals<{ url: string; json?: true }>()
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw usage(`--url must be an http or https address such as ${DEFAULT_URL}, not "${url}".`)
    return { server: new Server(url.replace(/\/$/, ''), patienceMs, signal), json: json === true, signal }
  }
}

/** One line on standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
