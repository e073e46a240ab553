/** The classic watcher of the long tests must say when it is shown something wrong: here it is, by two servers that disagree. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ClassicServer, startClassicServer } from './classic-server.ts'
import { TcpProxy } from './services/tcp-proxy.ts'
import type { LatestEntry } from './sigkill/check-log.ts'
import { Watcher } from './sigkill/watcher.ts'

let first: ClassicServer
let second: ClassicServer
let link: TcpProxy
let watcher: Watcher

beforeEach(async () => {
  first = await startClassicServer()
  second = await startClassicServer()
  link = await TcpProxy.start({ port: Number(new URL(first.url).port) })
  const shown = new Map<number, LatestEntry>()
  watcher = new Watcher(`http://127.0.0.1:${link.port}`, ['k'], shown, { transports: ['websocket'] })
})
afterEach(async () => {
  watcher.close()
  await link.close()
  await Promise.all([first.close(), second.close()])
})

async function moveToSecond(): Promise<void> {
  link.leadTo({ port: Number(new URL(second.url).port) })
  link.cut()
  await expect.poll(() => watcher.connects).toBe(2)
}

test('an older value on another connection', async () => {
  first.log.write(['k', '1'], ['k', '2'])
  second.log.write(['k', '1'])
  await expect.poll(() => watcher.isAt('k', 2)).toBe(true)
  expect(watcher.problems).toEqual([])
  await moveToSecond()
  await expect
    .poll(() => watcher.problems)
    .toEqual([expect.stringMatching(/^valueUpdate of k: 1 after 2, on connection 2/)])
})

test('a delete that it was not told of on another connection', async () => {
  first.log.write(['k', '1'])
  second.log.write(['k', '1'])
  await expect.poll(() => watcher.isAt('k', 1)).toBe(true)
  expect(watcher.missing([{ key: 'k', value: 1, revision: 1 }])).toEqual([])
  const gone = new Map([['k', { revision: 2, isDelete: true }]])
  expect(watcher.behind(gone)).toEqual(['k at 1 instead of 2'])
  expect(watcher.missing([])).toEqual(['k of 1 is still there'])
  second.log.write(['k', null])
  await moveToSecond()
  await expect.poll(() => watcher.missing([])).toEqual([])
  expect(watcher.behind(gone)).toEqual([])
  expect(watcher.problems).toEqual([])
})

test('a change of a key that it was never told of', async () => {
  await expect.poll(() => watcher.connects).toBe(1)
  expect(watcher.behind(new Map([['k', { revision: 1, isDelete: true }]]))).toEqual([])
  expect(watcher.behind(new Map([['k', { revision: 2, isDelete: false }]]))).toEqual([
    'k at undefined instead of 2',
  ])
  expect(watcher.missing([{ key: 'k', value: 1, revision: 2 }])).toEqual(['k: at undefined instead of 2'])
})
