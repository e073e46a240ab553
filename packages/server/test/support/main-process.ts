import { spawn } from 'node:child_process'
import { join } from 'node:path'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

/** `main.ts` as a process in `directory`, with this environment and nothing else of ours; what it prints is kept. */
export function runMain(directory: string, environment: Record<string, string>) {
  const child = spawn(process.execPath, [MAIN], {
    cwd: directory,
    env: { PATH: process.env.PATH, ...environment },
  })
  let output = ''
  const waiting = new Set<() => void>()
  const take = (text: string) => {
    output += text
    for (const look of waiting) look()
  }
  child.stdout.setEncoding('utf8').on('data', take)
  child.stderr.setEncoding('utf8').on('data', take)
  const exit = new Promise<number | null>((resolve) => child.on('close', resolve))
  return {
    child,
    exit,
    output: () => output,
    printed: (pattern: RegExp) =>
      new Promise<RegExpExecArray>((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(output)
          if (match) resolve(match)
        }
        waiting.add(look)
        void exit.then(() => reject(new Error(`ended without printing ${pattern}:\n${output}`)))
        look()
      }),
  }
}
