import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const LAUNCHER = fileURLToPath(new URL('../../bin/livekv.cjs', import.meta.url))
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface Running {
  child: ChildProcess
  /** What it has printed so far. */
  printed: { stdout: string; stderr: string }
  ended: Promise<Ended>
}

/** Starts the real command; `launcher`: by way of bin/, as `npx livekv` does. */
export function startCli(
  args: readonly string[],
  options: { url?: string; input?: string; launcher?: true } = {},
): Running {
  const child = spawn(process.execPath, [options.launcher ? LAUNCHER : MAIN, ...args], {
    env: { PATH: process.env.PATH, TZ: 'Asia/Ho_Chi_Minh', ...(options.url && { LIVEKV_URL: options.url }) },
    stdio: 'pipe',
  })
  child.stdin!.end(options.input ?? '')
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text
    })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, ...printed }))
  })
  return { child, printed, ended }
}
