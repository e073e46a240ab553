/** For `node --import`: in the threads of the process a disk that dies, some commits after the start. */
import fs from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const GOOD_SYNCS = 100

if (!isMainThread) {
  // What the log is synced with.
  const { fdatasyncSync } = fs
  let synced = 0
  fs.fdatasyncSync = (fd) => {
    if (++synced > GOOD_SYNCS) throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
    fdatasyncSync(fd)
  }
}
