/**
 * One instance: configuration, start, signals.
 *
 *   SIGINT, SIGTERM    stop in order, exit code 0; another one a second later or more ends at once
 *     while starting   end at once, exit code 0: nothing was acknowledged yet
 *     something hangs  end 5 s after SHUTDOWN_TIMEOUT, exit code 1
 *   store failed       say so, answer what is pending, exit code 1: a supervisor starts it again
 */
import { format } from 'node:util'
import { LiveKVError } from '@livekv/protocol'
import { type App, createApp } from './app.ts'
import { type Config, ConfigError, loadConfig, readEnvironment } from './config.ts'
import { reasonBehind, stackText, withoutAccounts } from './error-text.ts'
import { createLog, type Log } from './log.ts'
import { StartError } from './start-error.ts'
import { VERSION } from './version.ts'

/** One Ctrl-C or one `kill` of a process group can arrive several times, by way of npm and the start script. */
const SAME_SIGNAL_MS = 1_000
/** Beyond what draining may take: then something hangs. */
const STOP_MARGIN_MS = 5_000

async function main(): Promise<void> {
  const { config, warnings } = loadConfig(readEnvironment())
  const log = createLog(config)
  // Node.js itself would print all that the error carries, statements and values included.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, 'ending, because of an error that nothing has caught')
      process.exit(1)
    })
  }
  // What libraries print is a line of the log as well.
  console.warn = console.error = (...words: unknown[]) => log.warn(withoutAccounts(format(...words)))
  let isStarting = true
  // From here on: the first process of a container ignores signals that it has no listener for.
  const signal = new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => {
        if (!isStarting) return resolve(name)
        log.info(`${name} while starting: ending`)
        process.exit(0)
      })
    }
  })
  const app = await createApp(config, log)
  isStarting = false
  announce(app, config, log)
  for (const warning of warnings) log.warn(warning)

  const reason = await Promise.race([signal, app.failed])
  if (reason instanceof LiveKVError) {
    log.error(
      { reason: reason.message },
      'The store has failed for good: ending, so that a new process can begin with what is there.',
    )
  } else {
    log.info(`${reason}: stopping`)
    process.on(reason, () => {})
    setTimeout(() => process.once(reason, () => process.exit(130)), SAME_SIGNAL_MS).unref()
  }
  setTimeout(() => {
    log.error('Stopping took too long: ending now. Everything acknowledged is kept.')
    process.exit(1)
  }, config.shutdownTimeoutMs + STOP_MARGIN_MS).unref()
  await app.close()
  log.info('stopped')
  process.exit(reason instanceof LiveKVError ? 1 : 0)
}

function announce(app: App, config: Config, log: Log): void {
  const url = new URL(app.url)
  // What people can open: a wildcard address is none.
  if (['127.0.0.1', '0.0.0.0', '[::]', '[::1]'].includes(url.hostname)) url.hostname = 'localhost'
  const open = url.origin
  const reach = ['127.0.0.1', 'localhost', '::1'].includes(config.host)
    ? 'this machine only; HOST=0.0.0.0 opens it to others'
    : config.host
  const lines = [
    `LiveKV ${VERSION} on ${app.description}, Node.js ${process.version}, listening on ${app.url} (${reach})`,
    `dashboard  ${open}/admin`,
    `viewer     ${open}/viewer/gold`,
    `write      curl ${open}/add -H 'content-type: application/json' -d '{"key":"gold","value":2650.1}'`,
    `read       curl ${open}/get/gold`,
  ]
  if (process.stdout.isTTY) process.stdout.write(`${lines.join('\n')}\n`)
  else for (const line of lines) log.info(line)
}

/** The message of an error that clients are told as well leaves out the reason. */
function explanation(error: Error): string {
  const { reason } = error instanceof LiveKVError ? reasonBehind(error) : {}
  const isSaid = reason === undefined || error.message.includes(reason)
  return withoutAccounts(isSaid ? error.message : `${error.message} (${reason})`)
}

main().catch((error: unknown) => {
  const explained = [ConfigError, LiveKVError, StartError].some((kind) => error instanceof kind)
  process.stderr.write(`${explained ? explanation(error as Error) : stackText(error)}\n`)
  process.exit(1)
})
