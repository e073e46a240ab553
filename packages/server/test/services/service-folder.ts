import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAlive } from './processes.ts'

/**
 * A temporary folder of a service that this process starts. Folders of the same service whose process was
 * killed before it could remove them go first.
 */
export async function makeServiceFolder(service: string): Promise<string> {
  const prefix = `livekv-${service}-`
  for (const name of await readdir(tmpdir())) {
    const starter = name.startsWith(prefix) ? Number(name.slice(prefix.length).split('-')[0]) : 0
    if (starter > 0 && !isAlive(starter)) await removeServiceFolder(join(tmpdir(), name))
  }
  const folder = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`))
  // The user it runs as need not be ours; what is secret in it has its own mode.
  await chmod(folder, 0o755)
  return folder
}

export async function removeServiceFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}
