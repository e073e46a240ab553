import { FRAME_MAX_BYTES, SELECTION_MAX_KEYS } from '@livekv/protocol'
import { expect, test } from 'vitest'
import { useLiveApp } from './support/live-app.ts'
import { startLiveServer, storeOf } from './support/live-server.ts'
import { LogOracle } from './support/log-oracle.ts'

const live = useLiveApp()

const KEYS = 20_000
/** Characters of one to three bytes: the limit of a frame is one of bytes. */
const PADDING = 'é日x'.repeat(60)
const keyOf = (n: number) => `large/${String(n).padStart(5, '0')}`

test('a large selection: bounded frames, changes between them, an end, nothing lost or backwards while writers write', async () => {
  for (let from = 0; from < KEYS; from += 5_000) {
    await live.putMany(Array.from({ length: 5_000 }, (_, n) => [keyOf(from + n), PADDING]))
  }
  const client = await live.connect()
  const sizes: number[] = []
  client.onText((text) => sizes.push(Buffer.byteLength(text)))
  let writing = true
  const writes = Promise.all(
    [1, 2, 3].map(async (writer) => {
      for (let n = 0; writing; n++) {
        const at = (n * 7919 + writer * 5003) % KEYS
        await live.putMany([
          [keyOf(at), `${writer} ${n}`],
          // Of keys at the beginning, whose frames went out first.
          [keyOf(n % 10), n],
        ])
        await live.remove(keyOf((n * 104729 + writer) % KEYS))
      }
    }),
  )
  const watch = await client.watch({ watch: 'large', prefix: 'large/' })
  await expect.poll(() => watch.snapshots, { timeout: 60_000 }).toBe(1)
  writing = false
  await writes
  const values: Record<string, unknown> = {}
  for (let cursor = ''; ; ) {
    const { json } = await live.call('GET', `/api/v1/entries?prefix=large/&limit=1000${cursor}`)
    for (const { key, value } of json.entries) values[key] = value
    if (!json.next) break
    cursor = `&cursor=${json.next}`
  }
  await expect.poll(() => isSame(watch.values, values), { timeout: 30_000 }).toBe(true)
  const entry = 1_000
  expect(Math.max(...sizes)).toBeLessThanOrEqual(FRAME_MAX_BYTES + entry)
  expect(watch.frames).toBeGreaterThan((KEYS * Buffer.byteLength(PADDING)) / FRAME_MAX_BYTES)
  expect(watch.between).toBeGreaterThan(0)

  // Once more at once, as changes: their frames are bounded too.
  sizes.length = 0
  client.stopReading()
  for (let from = 0; from < KEYS; from += 5_000) {
    await live.putMany(Array.from({ length: 5_000 }, (_, n) => [keyOf(from + n), `${PADDING}2`]))
  }
  client.readOn()
  await expect
    .poll(() => Object.values(watch.values).every((value) => value === `${PADDING}2`), { timeout: 30_000 })
    .toBe(true)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(FRAME_MAX_BYTES + entry)
}, 120_000)

/** Quicker than to describe where they differ. */
function isSame(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}

test('a selection of more keys than a watch may have ends the watch with the remedy, others of its socket go on', async () => {
  for (let n = 0; n < SELECTION_MAX_KEYS + 1; n += 5_000) {
    await live.putMany(Array.from({ length: 5_000 }, (_, at) => [`many/${n + at}`, 1]))
  }
  const client = await live.connect()
  const [large, small] = [
    await client.watch({ watch: 'large', prefix: 'many/' }),
    await client.watch({ watch: 'small', prefix: 'many/7' }),
  ]
  await expect
    .poll(() => large.ended, { timeout: 60_000 })
    .toEqual({
      watch: 'large',
      code: 'SELECTION_TOO_LARGE',
      error: `The watch selects more than ${SELECTION_MAX_KEYS} keys: watch a longer prefix, or fewer keys.`,
      limit: SELECTION_MAX_KEYS,
    })
  expect(large.snapshots).toBe(0)
  const frames = large.frames
  await live.put('many/7', 2)
  await expect.poll(() => small.shown.get('many/7')?.value).toBe(2)
  expect([large.frames, small.snapshots]).toEqual([frames, 1])
  // Its name is free.
  const again = await client.watch({ watch: 'large', prefix: 'many/7' })
  await expect.poll(() => again.snapshots).toBe(1)
}, 120_000)

test('so does a prefix that grows past the limit while its socket does not read', async () => {
  const oracle = new LogOracle()
  for (let n = 0; n < 50; n++) oracle.append({ op: 'put', key: `p/${n}`, json: '1' })
  const server = await startLiveServer(storeOf(oracle), { maxKeys: 100 })
  const client = await server.connect()
  const [grown, other] = [
    await client.watch({ watch: 'grown', prefix: 'p/' }),
    await client.watch({ watch: 'other', keys: ['p/0'] }),
  ]
  await expect.poll(() => [grown.snapshots, other.snapshots]).toEqual([1, 1])
  client.stopReading()
  // What the network takes first, so that the rest has to wait.
  const large = JSON.stringify('x'.repeat(60_000))
  for (let round = 0; server.live.stats().waiting < 50; round++) {
    server.hub.accept([oracle.append({ op: 'put', key: `p/${round % 100}`, json: large })])
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (let n = 0; n < 101; n++) server.hub.accept([oracle.append({ op: 'put', key: `p/${n}`, json: '2' })])
  expect(server.live.stats().watches).toBe(1)
  client.readOn()
  await expect.poll(() => grown.ended?.code).toBe('SELECTION_TOO_LARGE')
  await expect.poll(() => other.shown.get('p/0')?.value).toBe(2)
  expect([grown.problems, other.problems]).toEqual([[], []])
  await server.close()
})
