import { parentPort, workerData } from 'node:worker_threads'
import { EmbeddedEngine } from './embedded-engine.ts'
import type { EngineStart, ToEngine, ToMain } from './embedded-messages.ts'

/**
 * The thread that is PostgreSQL. Messages are handled in order, each within one tick; between them, when no
 * transaction is open, the engine looks after itself (`EmbeddedEngine.afterStatement`, `whenIdle`).
 */

const port = parentPort!
const post = (message: ToMain, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer)

/** Nothing runs after this: no statement may be answered by an engine that does not know what is on disk. */
function fail(what: string, error: NodeJS.ErrnoException): never {
  post({ type: 'failed', message: `${what}: ${error.code ?? error.message}` })
  return process.exit(1)
}

const IDLE_TICK_MS = 1000

async function start(): Promise<void> {
  const { dataDir } = workerData as EngineStart
  const engine = await EmbeddedEngine.open(dataDir, { post, fail })
  port.on('message', (message: ToEngine) => {
    try {
      if (message === 'reset') engine.reset()
      else if (message === 'close') {
        engine.close()
        process.exit(0)
      } else {
        const answer = engine.execute(message)
        post(answer, [answer.buffer])
        engine.afterStatement()
      }
    } catch (error) {
      fail('statement', error as Error)
    }
  })
  setInterval(() => {
    try {
      engine.whenIdle()
    } catch (error) {
      fail('maintenance', error as Error)
    }
  }, IDLE_TICK_MS)
}

start().catch((error) => fail('start', error))
