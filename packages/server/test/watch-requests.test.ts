import { expect, test } from 'vitest'
import { MAX_WATCHED_KEYS, MAX_WATCHES } from '../src/live/live-socket.ts'
import { useLiveApp } from './support/live-app.ts'

const MAX_BODY_BYTES = 2_000_000
const live = useLiveApp({
  MAX_BODY_BYTES: `${MAX_BODY_BYTES}`,
  MAX_KEY_BYTES: '50',
  MAX_VALUE_BYTES: '1000',
  MAX_BATCH_ITEMS: '3',
})

/** Event, its arguments, the code, and what the message must say. */
const WRONG: readonly [string, unknown[], string, RegExp][] = [
  [
    'nonsense',
    [{}],
    'INVALID_REQUEST',
    /"nonsense" is no event of this protocol; known: watch, unwatch, put, delete, batch, time/,
  ],
  ['subscribe', ['gold'], 'INVALID_REQUEST', /"subscribe" is no event/],
  ['toString', [{}], 'INVALID_REQUEST', /"toString" is no event/],
  [
    'watch',
    [],
    'INVALID_REQUEST',
    /undefined must be an object: "watch" takes one argument, and an acknowledgement/,
  ],
  ['watch', ['gold'], 'INVALID_REQUEST', /"gold" must be an object/],
  ['watch', [null], 'INVALID_REQUEST', /null must be an object/],
  ['watch', [[]], 'INVALID_REQUEST', /an array must be an object/],
  ['watch', [{ watch: 'w' }], 'INVALID_REQUEST', /either keys .* or prefix/],
  ['watch', [{ watch: 'w', keys: ['a'], prefix: '' }], 'INVALID_REQUEST', /either keys .* or prefix/],
  [
    'watch',
    [{ watch: 'w', keys: [] }],
    'INVALID_REQUEST',
    /keys an array must be an array of one key or more/,
  ],
  ['watch', [{ watch: 'w', keys: 'gold' }], 'INVALID_REQUEST', /keys "gold" must be an array/],
  ['watch', [{ watch: 'w', keys: ['a', 7] }], 'INVALID_KEY', /must be a string, not 7/],
  ['watch', [{ watch: 'w', keys: [''] }], 'INVALID_KEY', /empty/],
  ['watch', [{ watch: 'w', keys: ['a\u0000b'] }], 'INVALID_KEY', /control character/],
  ['watch', [{ watch: 'w', keys: ['\ud800'] }], 'INVALID_KEY', /half of a surrogate pair/],
  ['watch', [{ watch: 'w', keys: ['é'.repeat(26)] }], 'INVALID_KEY', /has 52 bytes in UTF-8: at most 50/],
  ['watch', [{ watch: 'w', prefix: 7 }], 'INVALID_REQUEST', /prefix 7 must be a string/],
  ['watch', [{ watch: 'w', prefix: null }], 'INVALID_REQUEST', /prefix null must be a string/],
  ['watch', [{ watch: 'w', prefix: '\u0000' }], 'INVALID_KEY', /control character/],
  ['watch', [{ watch: 'w', prefix: 'a\ud800' }], 'INVALID_KEY', /half of a surrogate pair/],
  ['watch', [{ watch: 'w', prefix: 'x'.repeat(51) }], 'INVALID_KEY', /51 bytes/],
  ['watch', [{ prefix: '' }], 'INVALID_REQUEST', /watch undefined must be a name .* 1 to 100 characters/],
  ['watch', [{ watch: 1, prefix: '' }], 'INVALID_REQUEST', /watch 1 must be a name/],
  ['watch', [{ watch: '', prefix: '' }], 'INVALID_REQUEST', /watch "" must be a name/],
  ['watch', [{ watch: 'x'.repeat(101), prefix: '' }], 'INVALID_REQUEST', /watch "x+…" must be a name/],
  ['watch', [{ watch: '\udc00', prefix: '' }], 'INVALID_REQUEST', /must be a name/],
  ['watch', [{ watch: 'w', prefix: '', since: 5 }], 'INVALID_REQUEST', /since 5 must be the cursor/],
  [
    'watch',
    [{ watch: 'w', prefix: '', since: 'x'.repeat(201) }],
    'INVALID_REQUEST',
    /since "x+…" must be the cursor/,
  ],
  [
    'watch',
    [{ watch: 'w', prefix: '', cursor: '' }],
    'INVALID_REQUEST',
    /field "cursor" is unknown in watch; known: watch, keys, prefix, since/,
  ],
  ['watch', [{ watch: 'w', prefix: '', __proto__x: 1 }], 'INVALID_REQUEST', /field "__proto__x" is unknown/],
  [
    'watch',
    [{ watch: 'w', keys: Array.from({ length: 100_001 }, (_, n) => `${n}`) }],
    'SELECTION_TOO_LARGE',
    /100001 keys in one watch: at most 100000/,
  ],
  ['unwatch', [{}], 'INVALID_REQUEST', /watch undefined must be a name/],
  ['unwatch', [{ watch: ['a'] }], 'INVALID_REQUEST', /must be a name/],
  [
    'unwatch',
    [{ watch: 'w', prefix: '' }],
    'INVALID_REQUEST',
    /field "prefix" is unknown in unwatch; known: watch/,
  ],
  ['put', [], 'INVALID_REQUEST', /must be an object/],
  ['put', ['gold', 1], 'INVALID_REQUEST', /"gold" must be an object/],
  ['put', [{ value: 1 }], 'INVALID_KEY', /must be a string, not undefined/],
  ['put', [{ key: 'x'.repeat(51), value: 1 }], 'INVALID_KEY', /51 bytes/],
  ['put', [{ key: 'a' }], 'INVALID_REQUEST', /value is missing/],
  ['put', [{ key: 'a', value: 'x'.repeat(999) }], 'VALUE_TOO_LARGE', /1001 bytes as JSON: at most 1000/],
  ['put', [{ key: 'a', value: '\ud800' }], 'INVALID_VALUE', /surrogate/],
  ['put', [{ key: 'a', value: 1, ttlMs: 0 }], 'INVALID_REQUEST', /ttlMs 0 must be a whole number from 1/],
  ['put', [{ key: 'a', value: 1, time: 'soon' }], 'INVALID_REQUEST', /soon/],
  ['put', [{ key: 'a', value: 1, ifRevision: -1 }], 'INVALID_REQUEST', /ifRevision -1/],
  ['put', [{ key: 'a', value: 1, ifRevision: 1, ifAbsent: true }], 'INVALID_REQUEST', /not both/],
  ['put', [{ key: 'a', value: 1, skipUnchanged: 'yes' }], 'INVALID_REQUEST', /skipUnchanged "yes"/],
  ['put', [{ key: 'a', value: 1, idempotencyKey: 'é' }], 'INVALID_REQUEST', /printable ASCII/],
  ['put', [{ key: 'a', value: 1, op: 'put' }], 'INVALID_REQUEST', /field "op" is unknown in a put/],
  ['put', [{ key: 'a', value: 1, by: 1 }], 'INVALID_REQUEST', /field "by" is unknown in a put/],
  [
    'put',
    [{ key: 'a', value: Buffer.from([1]) }],
    'INVALID_REQUEST',
    /"put" came with binary data: send JSON values only/,
  ],
  ['watch', [{ watch: Buffer.from('w'), prefix: '' }], 'INVALID_REQUEST', /binary/],
  ['delete', [{ key: 'a', value: 1 }], 'INVALID_REQUEST', /field "value" is unknown in a delete/],
  ['delete', [{ key: '' }], 'INVALID_KEY', /empty/],
  ['batch', [{}], 'INVALID_REQUEST', /writes undefined must be an array/],
  ['batch', [[{ key: 'a', value: 1 }]], 'INVALID_REQUEST', /an array must be an object/],
  ['batch', [{ writes: { key: 'a', value: 1 } }], 'INVALID_REQUEST', /writes an object must be an array/],
  ['batch', [{ writes: [], atomic: 1 }], 'INVALID_REQUEST', /atomic 1 must be true or false/],
  [
    'batch',
    [{ writes: [], atomicity: true }],
    'INVALID_REQUEST',
    /field "atomicity" is unknown in a batch; known: writes, atomic/,
  ],
  ['batch', [{ writes: [1, 2, 3, 4] }], 'BATCH_TOO_LARGE', /4 writes in one batch: at most 3/],
  [
    'batch',
    [{ writes: [{ key: 'a', value: 1 }, 7], atomic: true }],
    'INVALID_REQUEST',
    /Write 1 of the atomic batch/,
  ],
  [
    'put',
    [{ key: 'a', value: 'x'.repeat(MAX_BODY_BYTES) }],
    'BODY_TOO_LARGE',
    /larger than 2000000 bytes \(MAX_BODY_BYTES\): split it/,
  ],
  ['batch', [{ writes: ['日'.repeat(MAX_BODY_BYTES / 3)] }], 'BODY_TOO_LARGE', /split it/],
  ['watch', [{ watch: 'w', keys: ['x'.repeat(MAX_BODY_BYTES)] }], 'BODY_TOO_LARGE', /split it/],
]

test('every wrong event is answered with what is wrong and what would be right, and the socket lives on', async () => {
  const client = await live.connect()
  const running = await client.watch({ watch: 'running', keys: ['still there'] })
  for (const [event, request, code, message] of WRONG) {
    const answer = await client.ask(event, ...request)
    expect([event, answer.code]).toEqual([event, code])
    expect(answer.error).toMatch(message)
  }
  expect(await client.ask('watch', { watch: 'running', prefix: '' })).toMatchObject({
    code: 'INVALID_REQUEST',
    error: expect.stringMatching(/"running" is the name of a running watch .* unwatch it first/),
  })
  await live.put('still there', 1)
  await expect.poll(() => running.values).toEqual({ 'still there': 1 })
  // None of them has left anything.
  expect((await live.call('GET', '/api/v1/entries?key=a')).status).toBe(404)
  expect((await client.watch({ watch: 'w', keys: ['a'] })).answers).toHaveLength(1)
})

test('what is nested as deep as it fits is refused like anything else', async () => {
  const client = await live.connect()
  const deep = `${'['.repeat(500_000)}${']'.repeat(500_000)}`
  for (const [event, code] of [
    [`["put",{"key":${deep},"value":1}]`, 'INVALID_KEY'],
    [`["put",{"key":"a","value":${deep}}]`, 'VALUE_TOO_LARGE'],
    [`["put",{"key":"a","value":${'['.repeat(101)}${']'.repeat(101)}}]`, 'INVALID_VALUE'],
    [`["watch",{"watch":${deep},"prefix":""}]`, 'INVALID_REQUEST'],
    [`["watch",{"watch":"w","keys":${deep}}]`, 'INVALID_KEY'],
    [`["batch",${deep}]`, 'INVALID_REQUEST'],
    [`["batch",{"writes":${deep}}]`, 'INVALID_REQUEST'],
  ] as const) {
    const answer = JSON.parse(await client.askText(event))
    // The batch itself was understood; its one item was not.
    expect((answer.results?.[0] ?? answer).code).toBe(code)
  }
})

test('without an acknowledgement nothing is answered, wrong or right, and what is right is done', async () => {
  const client = await live.connect()
  const texts: string[] = []
  client.onText((text) => texts.push(text))
  for (const [event, request] of WRONG) client.emit(event, ...request)
  client.emit('time')
  client.emit('put', { key: 'unanswered', value: 1 })
  await expect.poll(async () => (await live.call('GET', '/get/unanswered')).status).toBe(200)
  expect(await client.ask('unwatch', { watch: 'w' })).toEqual({})
  expect(texts).toHaveLength(1)
})

test('packets that are none of Socket.IO end their connection and nothing else', async () => {
  const other = await live.connect()
  for (const packet of ['2', '2[', '2{}', '2[null]', '2["disconnect"]', '9', '51-["put",1]2[1]']) {
    const client = await live.connect()
    const ended = new Promise((resolve) => client.socket.once('disconnect', resolve))
    client.send(packet)
    if (packet.startsWith('51')) client.send('2["time"]')
    await ended
  }
  expect(await other.ask('unwatch', { watch: 'w' })).toEqual({})
})

test('a socket has so many watches and no more, until it ends some', async () => {
  const client = await live.connect()
  const answers = await Promise.all(
    Array.from({ length: MAX_WATCHES }, (_, n) => client.watch({ watch: `${n}`, keys: ['a'] })),
  )
  expect(answers).toHaveLength(MAX_WATCHES)
  const limit = { code: 'SUBSCRIPTION_LIMIT', watches: MAX_WATCHES, keys: MAX_WATCHED_KEYS }
  expect(await client.ask('watch', { watch: 'more', prefix: '' })).toMatchObject(limit)
  await client.unwatch('7')
  await client.watch({ watch: 'more', prefix: '' })
  expect(await client.ask('watch', { watch: 'yet more', keys: ['a'] })).toMatchObject(limit)
})

test('a socket names so many keys in all its watches and no more, until it ends some', async () => {
  const client = await live.connect()
  const keys = (from: number, count: number) => Array.from({ length: count }, (_, n) => `n${from + n}`)
  await client.watch({ watch: '1', keys: keys(0, 100_000) })
  // One of them twice: it counts once.
  await client.watch({ watch: '2', keys: [...keys(50_000, 99_999), 'n50000'] })
  expect(await client.ask('watch', { watch: '3', keys: ['a', 'b'] })).toMatchObject({
    code: 'SUBSCRIPTION_LIMIT',
  })
  await client.watch({ watch: '3', keys: ['n7'] })
  await client.watch({ watch: '4', prefix: 'n' })
  expect(await client.ask('watch', { watch: '5', keys: ['a'] })).toMatchObject({ code: 'SUBSCRIPTION_LIMIT' })
  await client.unwatch('1')
  const again = await client.watch({ watch: '5', keys: keys(0, 100_000) })
  await live.put('n99999', 1)
  await expect.poll(() => again.values, { timeout: 30_000 }).toEqual({ n99999: 1 })
})
