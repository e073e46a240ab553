import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

const OLDEST_POSTGRES = 15
const DEBIAN_POSTGRES = '/usr/lib/postgresql'
const CHROMIUM_NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

export interface PostgresBinaries {
  /** Folder of `initdb` and `postgres`. */
  folder: string
  major: number
}

/** The newest PostgreSQL on this machine that is new enough: Debian's folders first, then PATH. */
export function findPostgres(): PostgresBinaries | undefined {
  const debian = existsSync(DEBIAN_POSTGRES)
    ? readdirSync(DEBIAN_POSTGRES).map((version) => join(DEBIAN_POSTGRES, version, 'bin'))
    : []
  const onPath = findOnPath(['postgres'])
  const folders = onPath ? [...debian, dirname(onPath)] : debian
  return folders
    .filter((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
    .map((folder) => ({ folder, major: majorVersion(join(folder, 'postgres')) }))
    .filter(({ major }) => major >= OLDEST_POSTGRES)
    .sort((one, other) => other.major - one.major)[0]
}

/** The Redis on PATH. */
export function findRedis(): string | undefined {
  return findOnPath(['redis-server'])
}

/** The Nginx on PATH, or where Debian puts it, which is not on the PATH of everyone. */
export function findNginx(): string | undefined {
  return findOnPath(['nginx']) ?? ['/usr/sbin/nginx'].find((file) => existsSync(file))
}

/** The Java on PATH. */
export function findJava(): string | undefined {
  return findOnPath(['java'])
}

/** The Maven on PATH, which fetches Kafka. */
export function findMaven(): string | undefined {
  return findOnPath(['mvn'])
}

/** The Chromium (or Chrome) on PATH. */
export function findChromium(): string | undefined {
  return findOnPath(CHROMIUM_NAMES)
}

function majorVersion(postgres: string): number {
  const version = execFileSync(postgres, ['--version'], { encoding: 'utf8' })
  return Number(/\d+/.exec(version)?.[0] ?? 0)
}

function findOnPath(names: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => existsSync(file))
}
