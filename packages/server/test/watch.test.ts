import { expect, test } from 'vitest'
import { useLiveApp } from './support/live-app.ts'

const live = useLiveApp()

test('a watch of keys, of a prefix and of everything: the snapshot, then each change', async () => {
  await live.put('s/gold', 1)
  await live.put('s/golden', 2)
  await live.put('t/x', 3)
  const client = await live.connect()
  const keys = await client.watch({ watch: 'k', keys: ['s/gold', 's/none'] })
  const prefix = await client.watch({ watch: 'p', prefix: 's/gold' })
  const all = await client.watch({ watch: 'a', prefix: '' })
  await expect.poll(() => [keys, prefix, all].map(({ snapshots }) => snapshots)).toEqual([1, 1, 1])
  expect(keys.values).toEqual({ 's/gold': 1 })
  expect(prefix.values).toEqual({ 's/gold': 1, 's/golden': 2 })
  expect(all.values).toMatchObject({ 's/gold': 1, 's/golden': 2, 't/x': 3 })
  await live.put('s/none', null)
  await live.put('s/gold', { a: [1.5, 'x'] })
  await live.remove('s/golden')
  const last = await live.put('t/x', 4)
  await expect.poll(() => all.shown.get('t/x')?.revision).toBe(last)
  expect(keys.values).toEqual({ 's/gold': { a: [1.5, 'x'] }, 's/none': null })
  expect(prefix.values).toEqual({ 's/gold': { a: [1.5, 'x'] } })
  expect(all.values).toMatchObject({ 's/gold': { a: [1.5, 'x'] }, 's/none': null, 't/x': 4 })
})

test('the acknowledgement comes first, then frames as they are promised', async () => {
  const put = await live.call('PUT', '/api/v1/entries?key=f', { value: 1, ttlMs: 3_600_000, time: 0 })
  const client = await live.connect()
  const texts: string[] = []
  client.onText((text) => texts.push(text))
  const watch = await client.watch({ watch: 'w', keys: ['f'] })
  await expect.poll(() => watch.snapshots).toBe(1)
  expect(watch.answers).toEqual([
    { reset: false, resumed: false, storeId: expect.stringMatching(/^[0-9a-f-]{36}\.\d+$/) },
  ])
  const second = await live.put('f', 2)
  const third = await live.remove('f')
  await expect.poll(() => watch.shown.get('f')?.revision).toBe(third)
  const [answer, ...frames] = texts.map((text) => JSON.parse(text.slice(text.indexOf('['))))
  expect(answer).toEqual(watch.answers)
  const cursor = expect.stringMatching(/^[\w-]{30,60}$/)
  expect(frames[0]).toEqual([
    'snapshot',
    {
      watch: 'w',
      entries: [
        {
          key: 'f',
          value: 1,
          revision: put.json.revision,
          updatedAt: put.json.at,
          time: '1970-01-01T00:00:00.000Z',
          expiresAt: put.json.expiresAt,
        },
      ],
      end: true,
      cursor,
    },
  ])
  const shown = frames.slice(1).flatMap(([name, frame]) => {
    expect([name, frame.watch, frame.cursor]).toEqual(['changes', 'w', cursor])
    return frame.changes
  })
  const time = expect.stringMatching(/^20.*Z$/)
  expect(shown).toEqual([
    { key: 'f', op: 'put', value: 2, revision: second, at: time, time },
    { key: 'f', op: 'delete', revision: third, at: time, time },
  ])
})

test('where nothing is selected the snapshot is one empty frame with a cursor', async () => {
  const client = await live.connect()
  for (const [watch, selection] of Object.entries({
    k: { keys: ['nothing here'] },
    p: { prefix: 'nothing here' },
  })) {
    const shown = await client.watch({ watch, ...selection })
    await expect.poll(() => shown.snapshots).toBe(1)
    expect([shown.frames, shown.values, shown.cursor === undefined]).toEqual([1, {}, false])
  }
})

test('the changes of one commit come in one frame, those of one key as its last', async () => {
  const client = await live.connect()
  const watch = await client.watch({ watch: 'w', prefix: 'batch/' })
  await expect.poll(() => watch.snapshots).toBe(1)
  const entries = Array.from({ length: 300 }, (_, n) => [`batch/${n % 100}`, n] as const)
  const last = await live.putMany(entries)
  await expect.poll(() => watch.shown.get('batch/99')?.revision).toBe(last)
  expect(watch.frames).toBe(2)
  expect(watch.values).toEqual(Object.fromEntries(entries))
})

test('after the answer to unwatch nothing of it comes, and its name is free', async () => {
  const client = await live.connect()
  const first = await client.watch({ watch: 'w', prefix: 'u/' })
  const second = await client.watch({ watch: 'other', prefix: 'u/' })
  let last = 0
  const writing = (async () => {
    for (let n = 0; n < 200; n++) last = await live.put('u/x', n)
  })()
  await expect.poll(() => first.shown.get('u/x')).toBeTruthy()
  await client.unwatch('w')
  await writing
  await expect.poll(() => second.shown.get('u/x')?.revision).toBe(last)
  expect(await client.ask('unwatch', { watch: 'w' })).toEqual({})
  expect(await client.ask('unwatch', { watch: 'never there' })).toEqual({})
  const again = await client.watch({ watch: 'w', keys: ['u/x'] })
  await expect.poll(() => again.values).toEqual({ 'u/x': 199 })
  expect(first.problems).toEqual([])
})

test('watches of one socket are independent, however they overlap and end', async () => {
  const client = await live.connect()
  const selections = [
    { prefix: '' },
    { prefix: 'i/' },
    { prefix: 'i/a' },
    { keys: ['i/a1', 'i/b'] },
    { keys: ['i/a1'] },
  ]
  const watches = await Promise.all(
    selections.map((selection, n) => client.watch({ watch: `${n}`, ...selection })),
  )
  const each = (values: unknown) =>
    expect.poll(() => watches.map(({ shown }) => shown.get('i/a1')?.value)).toEqual(values)
  await live.put('i/a1', 1)
  await each([1, 1, 1, 1, 1])
  await client.unwatch('1')
  await client.unwatch('4')
  await live.put('i/a1', 2)
  await each([2, 1, 2, 2, 1])
  await client.unwatch('0')
  watches[1] = await client.watch({ watch: '1', prefix: 'i/' })
  await live.remove('i/a1')
  await each([2, undefined, undefined, undefined, 1])
  await live.put('i/b', 3)
  await expect
    .poll(() => watches.map(({ shown }) => shown.get('i/b')?.value))
    .toEqual([undefined, 3, undefined, 3, undefined])
})

test.each([[['polling']], [['polling', 'websocket']]])('over %j', async (transports) => {
  await live.put('polled', 1)
  const client = await live.connect({ transports })
  const watch = await client.watch({ watch: 'w', keys: ['polled'] })
  await expect.poll(() => watch.values).toEqual({ polled: 1 })
  for (let n = 2; n < 100; n++) await live.put('polled', n)
  await expect.poll(() => watch.values).toEqual({ polled: 99 })
})
