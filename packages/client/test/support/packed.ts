import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { run } from '../../../../scripts/child.cjs'

export const ROOT = resolve(import.meta.dirname, '../../../..')

/** The package as others install it, in a directory of its own. */
export class Packed {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  static async make(): Promise<Packed> {
    const packed = new Packed(await mkdtemp(join(tmpdir(), 'livekv-pack-')))
    await packed.pack()
    return packed
  }

  get tarball(): string {
    return join(this.directory, 'livekv-client-0.1.0.tgz')
  }

  async pack(destination = this.directory): Promise<void> {
    await succeed('npm', ['pack', '--workspace', '@livekv/client', '--pack-destination', destination], ROOT)
  }

  /** A project with these files and nothing but the package in it. Undefined: npm cannot reach its registry. */
  async project(name: string, files: Record<string, string>): Promise<string | undefined> {
    const project = join(this.directory, name)
    for (const [path, text] of Object.entries({ 'package.json': '{"type":"module"}', ...files })) {
      await mkdir(dirname(join(project, path)), { recursive: true })
      await writeFile(join(project, path), text)
    }
    const quiet = ['--no-audit', '--no-fund', '--fetch-retries=0']
    const { code, output } = await run('npm', ['install', '--prefer-offline', ...quiet, this.tarball], {
      cwd: project,
      env: environment(),
    })
    if (code === 0) return project
    if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENOTCACHED|ENETUNREACH/.test(output)) return undefined
    throw new Error(output)
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}

/** Resolves with the output of a program that must end well. */
export async function succeed(program: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, output } = await run(program, args, { cwd, env: environment() })
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${output}`)
  return output
}

/** This Node and, if it is another one that is new enough, that of the machine. */
export async function nodes(): Promise<string[]> {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const own = folders
    .filter((folder) => !folder.endsWith(join('node_modules', '.bin')))
    .map((folder) => join(folder, 'node'))
    .find((file) => existsSync(file))
  if (own === undefined) return [process.execPath]
  const version = (await succeed(own, ['--version'], ROOT)).trim()
  const isAnother = version !== process.version && Number.parseInt(version.slice(1), 10) >= 20
  return isAnother ? [process.execPath, own] : [process.execPath]
}

/** Without what the `npm` that runs the tests has put there. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD)/i.test(name)))
}
