import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { EXIT, Failure } from '../failure.ts'

const START = fileURLToPath(new URL('../../../../scripts/start.cjs', import.meta.url))

interface ServeOptions {
  port?: string
  host?: string
  dataDir?: string
}

export function addServe(program: Command, signal: AbortSignal): void {
  program
    .command('serve')
    .description('start a server here, as "npm start" does')
    .option('--port <port>', 'instead of PORT')
    .option('--host <host>', 'instead of HOST')
    .option('--data-dir <path>', 'instead of DATA_DIR')
    .addHelpText(
      'after',
      `
Everything else is configured by environment variables and .env: see docs/configuration.md.

Examples:
  $ livekv serve
  $ livekv serve --port 9000 --data-dir /var/lib/livekv`,
    )
    .action(async ({ port, host, dataDir }: ServeOptions) => {
      const child = spawn(process.execPath, [START], {
        stdio: 'inherit',
        env: {
          ...process.env,
          ...(port === undefined ? {} : { PORT: port }),
          ...(host === undefined ? {} : { HOST: host }),
          ...(dataDir === undefined ? {} : { DATA_DIR: dataDir }),
        },
      })
      // In a terminal the whole group got the Ctrl-C; either way the server stops in its own time.
      signal.addEventListener('abort', () => {
        if (!process.stdin.isTTY || signal.reason === 'SIGTERM') child.kill('SIGTERM')
      })
      const [code, endedBy] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
      if (signal.aborted || code === 0) return
      throw new Failure(
        EXIT.failure,
        'SERVER_ENDED',
        `The server ended with ${code === null ? endedBy : `exit code ${code}`}; what it printed above says why.`,
      )
    })
}
