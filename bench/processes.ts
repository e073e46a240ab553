import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import serverFlags from '../scripts/server-flags.cjs'
import type { LoadPlan, LoadResult } from './load.ts'

/** What is measured runs in processes of their own; each is ended by what started it. */
export interface RunningServer {
  url: string
  pid: number
  stop(signal?: NodeJS.Signals): Promise<void>
}

const MAIN = new URL('../packages/server/src/main.ts', import.meta.url).pathname
const BARE = new URL('bare-server.ts', import.meta.url).pathname
const LOAD = new URL('load.ts', import.meta.url).pathname

export async function startLiveKV(settings: Record<string, string>): Promise<RunningServer> {
  const port = await freePort()
  const child = spawn(process.execPath, [...serverFlags, MAIN], {
    // Not here: a .env beside compose.yaml would lead it to a real store.
    cwd: tmpdir(),
    env: { ...process.env, LOG_LEVEL: 'warn', ...settings, PORT: String(port), HOST: '127.0.0.1' },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the server ended with exit code ${child.exitCode}`)
    const ready = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (ready) return running(child, url)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export async function startBare(): Promise<RunningServer> {
  const child = spawn(process.execPath, [...serverFlags, BARE], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data')
  return running(child, String(line).trim())
}

function running(child: ChildProcess, url: string): RunningServer {
  return {
    url,
    pid: child.pid as number,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    },
  }
}

export async function load(plan: LoadPlan): Promise<LoadResult> {
  const { stdout } = await promisify(execFile)(process.execPath, [LOAD, JSON.stringify(plan)])
  return JSON.parse(stdout) as LoadResult
}

export async function temporaryDirectory(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'livekv-bench-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

export function get(agent: Agent, url: string): Promise<string> {
  return exchange(request(url, { agent }))
}

export function post(agent: Agent, url: string, body: string): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  return exchange(request(url, { method: 'POST', agent, headers }), body)
}

/** A connection that stays open and no more than that: `fetch` alone takes a third of a millisecond. */
async function exchange(asked: ClientRequest, body?: string): Promise<string> {
  asked.end(body)
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const answered = await text(answer)
  if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}: ${answered}`)
  return answered
}
