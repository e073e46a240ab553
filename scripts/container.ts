/**
 * The third way to what tests need: where it is missing and cannot be installed, but a Docker engine answers, a command
 * runs once more in a container of Debian that has it all.
 *
 *   image (built once) -> container -> in-container.ts: a copy of the sources -> the same command, as root
 *
 * The network is this machine's, so that the addresses it prints are good outside too. The checkout is only read, but
 * for the test report; node_modules and .cache are volumes of this checkout, so that the next run finds them.
 * The container reads from a pipe that we hold and never write: however we end, its end tells the container to end.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Ended, run, stepFailed } from './child.cjs'
import { lacking, NEEDS, type NeedName } from './needs.ts'
import { whyNotInstall } from './provision.ts'

const ROOT = resolve(import.meta.dirname, '..')
const DOCKERFILE_FOLDER = join(ROOT, 'packages/server/test/services')
/** In the container. */
const CHECKOUT = '/srv/checkout'
const COPY = '/srv/copy'
const RESULTS = '/srv/results'
const ENGINE_TIMEOUT_MS = 10_000
/** CI, colours, and the settings that tests read. */
const PASSED_ON = /^(CI|NO_COLOR|FORCE_COLOR|(FAULTS|WATCHERS|SIGKILL)_[A-Z]+)$/

interface Situation {
  /** Of what the command needs, what this machine lacks. */
  missing: readonly string[]
  /** Why that cannot be installed, if it cannot. */
  obstacle: string | undefined
  /** Why no container can be had, if none can. */
  askDocker: () => string | undefined
}

interface Place {
  inContainer: boolean
  /** What to tell about it. */
  line?: string
}

/** In a container only what cannot be had here; Docker, whose answer may take a while, is asked last. */
export function placeOf({ missing, obstacle, askDocker }: Situation): Place {
  if (missing.length === 0 || obstacle === undefined) return { inContainer: false }
  const lacks = `No ${missing.join(', ')} here, and no way to install it (${obstacle})`
  const problem = askDocker()
  if (problem) return { inContainer: false, line: `${lacks}; nor a container: ${problem}` }
  return { inContainer: true, line: `${lacks}: running in a container instead.` }
}

/** Runs one of the commands (a file in scripts/) in a container, if that is the place for it, to its end. */
export async function runInContainer(
  command: string,
  args: readonly string[],
  needs: readonly NeedName[],
): Promise<Ended | undefined> {
  const missing = lacking(needs).map(({ name }) => name)
  const { inContainer, line } = placeOf({ missing, obstacle: whyNotInstall(), askDocker })
  if (line) console.log(line)
  if (!inContainer) return undefined
  const image = await provideImage()
  const results = join(ROOT, '.cache')
  mkdirSync(results, { recursive: true })
  const program = ['node', `${CHECKOUT}/scripts/in-container.ts`, CHECKOUT, COPY, RESULTS, command, ...args]
  return run('docker', ['run', ...options(results), image, ...program], {
    show: true,
    stdio: ['pipe', 'inherit', 'inherit'],
  })
}

/** Why no container can be started, with the remedy. */
function askDocker(): string | undefined {
  const { error, status, stderr } = spawnSync('docker', ['version'], {
    encoding: 'utf8',
    timeout: ENGINE_TIMEOUT_MS,
  })
  if (status === 0) return undefined
  if ((error as NodeJS.ErrnoException)?.code === 'ENOENT')
    return 'install Docker (https://docs.docker.com/get-docker/) for that.'
  const said = stderr?.trim().split('\n').at(-1) || error?.message
  return `start Docker and let this user use it; docker version says: ${said}`
}

/** Named after what it is made from: built once, and without the network afterwards. */
async function provideImage(): Promise<string> {
  const packages = NEEDS.flatMap((need) => need.packages).join(' ')
  const dockerfile = readFileSync(join(DOCKERFILE_FOLDER, 'Dockerfile'), 'utf8')
  const image = `livekv-tests:${hash(dockerfile + packages)}`
  if (spawnSync('docker', ['image', 'inspect', image]).status === 0) return image
  console.log('Building its image (this once; some minutes) …')
  const source = ['--build-arg', `PACKAGES=${packages}`, DOCKERFILE_FOLDER]
  const built = await run('docker', ['build', '--network=host', '--tag', image, ...source])
  if (built.code !== 0) {
    throw stepFailed(
      'The image could not be built (above). It needs Docker Hub and Debian’s packages once: check the network or the proxy, then run the same command again.',
      built,
    )
  }
  return image
}

function options(results: string): string[] {
  const volume = (name: string) =>
    `--mount=type=volume,source=livekv-${hash(ROOT)}-${name},target=${COPY}/${name}`
  const settings = Object.keys(process.env).filter((name) => PASSED_ON.test(name))
  const colour = process.stdout.isTTY && !settings.some((name) => name.endsWith('_COLOR'))
  return [
    ...['--rm', '--init', '--interactive', '--network=host'],
    // Shared memory for PostgreSQL and Chromium; where SELinux guards files, the checkout is not labelled anew.
    ...['--shm-size=1g', '--security-opt=label=disable'],
    `--mount=type=bind,source=${ROOT},target=${CHECKOUT},readonly`,
    `--mount=type=bind,source=${results},target=${RESULTS}`,
    ...[volume('node_modules'), volume('.cache')],
    ...settings.map((name) => `--env=${name}`),
    ...(colour ? ['--env=FORCE_COLOR=1'] : []),
  ]
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}
