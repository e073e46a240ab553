import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, processTree, signalAll } from './processes.ts'

const START_TIMEOUT_MS = 90_000
const POLL_MS = 50
const LOG_LINES_SHOWN = 15

export interface Owner {
  uid: number
  gid: number
}

export interface Service {
  /** As people call it: it is in the messages. */
  name: string
  program: string
  args: readonly string[]
  /** Its working folder; its output goes to `server.log` in it. */
  folder: string
  /** The user it runs as, when this process is root; ours otherwise. */
  owner?: Owner | undefined
  env?: NodeJS.ProcessEnv
  /** What the kernel sends it when the thread that started it is gone. */
  deathSignal: 'KILL' | 'QUIT' | 'TERM'
  /** Whether it can be used now. Tried again and again while it starts. */
  answers(): Promise<boolean>
  /** Whether a start that ended with this log is worth another try. */
  startsLater?(log: string): boolean
}

/**
 * A server program that can be killed, stopped and started again.
 *
 * On Linux it ends with the process that started it, however that ends.
 */
export class ServiceProcess {
  readonly #service: Service
  readonly #logFile: string
  #child: ChildProcess | undefined

  constructor(service: Service) {
    this.#service = service
    this.#logFile = join(service.folder, 'server.log')
  }

  /** Of the program itself; undefined while it is down. */
  get pid(): number | undefined {
    return this.#isRunning() ? this.#child?.pid : undefined
  }

  /** What it has written since its folder was made. */
  log(): Promise<string> {
    return readFile(this.#logFile, 'utf8')
  }

  /** Resolves when it answers; rejects with the end of its log. */
  async start(): Promise<void> {
    if (this.#isRunning()) return
    const deadline = Date.now() + START_TIMEOUT_MS
    while (true) {
      this.#child = this.#launch()
      while (this.#isRunning()) {
        if (await this.#service.answers()) return
        if (Date.now() > deadline) break
        await sleep(POLL_MS)
      }
      const log = await this.log()
      if (Date.now() > deadline || !this.#service.startsLater?.(log)) {
        await this.kill()
        const end = log.trimEnd().split('\n').slice(-LOG_LINES_SHOWN).join('\n')
        throw new Error(`${this.#service.name} did not start:\n${end}`)
      }
      await sleep(POLL_MS)
    }
  }

  /** Sends the program the signal that ends it, and waits for its exit code (null: it died of a signal). */
  async shutDown(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (!child || !this.#isRunning()) return child?.exitCode ?? null
    const ended = once(child, 'exit')
    signalAll([child.pid!], signal)
    await ended
    return child.exitCode
  }

  /** SIGKILL to every process of it; waits until they are gone. */
  async kill(): Promise<void> {
    const child = this.#child
    if (!child || !this.#isRunning()) return
    const ended = once(child, 'exit')
    const all = processTree(child.pid!)
    signalAll(all, 'SIGKILL')
    await ended
    while (all.some(isAlive)) await sleep(POLL_MS)
  }

  /** To the program itself, if it is not down. */
  signal(signal: NodeJS.Signals): void {
    if (this.#isRunning()) signalAll([this.#child!.pid!], signal)
  }

  /** SIGSTOP to every process of it: connections stay open and nothing answers. */
  pause(): void {
    this.#signalAll('SIGSTOP')
  }

  resume(): void {
    this.#signalAll('SIGCONT')
  }

  #signalAll(signal: NodeJS.Signals): void {
    if (this.#isRunning()) signalAll(processTree(this.#child!.pid!), signal)
  }

  #isRunning(): boolean {
    const child = this.#child
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null
  }

  #launch(): ChildProcess {
    const { program, args, folder, owner, deathSignal, env = process.env } = this.#service
    const log = openSync(this.#logFile, 'a')
    const stdio: ['ignore', number, number] = ['ignore', log, log]
    try {
      // A process group of its own: Ctrl-C in a terminal ends whoever started it, who ends this in order.
      const options = { cwd: folder, env, stdio, detached: true }
      if (process.platform !== 'linux') return spawn(program, args, { ...options, ...owner })
      const user = owner ? [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups'] : []
      const command = [...user, `--pdeathsig=${deathSignal}`, program, ...args]
      return spawn('setpriv', command, options)
    } finally {
      closeSync(log)
    }
  }
}
