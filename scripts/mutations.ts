/**
 * Faults of the live protocol, each a small replacement in the source, which the tests named beside it must notice.
 * test/mutants.test.ts checks that each text is still found exactly once.
 */
export interface Mutation {
  name: string
  /** What a client would suffer. */
  harm: string
  edits: readonly { file: string; find: string; replace: string }[]
  /** Test files, any of which may notice. */
  tests: readonly string[]
  /** A line that has to be printed; without it, a test that fails is enough. */
  violation?: RegExp
}

export type Outcome = 'passed' | 'failed' | 'no end'

/** The lines that name a violation, the expected kind first; undefined: not caught. One that only has no end is not. */
export function caught(
  { violation }: Pick<Mutation, 'violation'>,
  { outcome, output }: { outcome: Outcome; output: string },
): string[] | undefined {
  const lines = output.split('\n').filter((line) => line.startsWith('VIOLATION '))
  if (violation === undefined) return outcome === 'failed' ? lines : undefined
  const expected = lines.filter((line) => violation.test(line))
  return expected.length > 0 ? [...expected, ...lines.filter((line) => !expected.includes(line))] : undefined
}

const LIVE = 'packages/server/src/live'
const CLIENT = 'packages/client/src'
const PROPERTY = 'packages/server/test/watch.property.test.ts'
const SLOW = 'packages/server/test/watch-slow.test.ts'
const CLIENT_WATCHES = 'packages/client/test/watches.test.ts'
/** Real clients over a real server: what only shows between the two. */
const WATCHERS = 'packages/server/test/watchers.test.ts'

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'join after the snapshot',
    harm: 'what changes while a snapshot is read is missed',
    edits: [
      {
        file: `${LIVE}/watch.ts`,
        find: `    this.#sources.audience.join(this)\n`,
        replace: '',
      },
      {
        file: `${LIVE}/watch.ts`,
        find: `    if (isEnd && !this.#lostItsPlace) this.#phase = 'live'\n`,
        replace: `    if (isEnd) {\n      this.#sources.audience.join(this)\n      this.#phase = 'live'\n    }\n`,
      },
    ],
    tests: [PROPERTY],
  },
  {
    name: 'no revision check in the Tail',
    harm: 'a late change shows an older value',
    edits: [
      {
        file: `${LIVE}/tail.ts`,
        find: '      if (node.revision >= change.revision) return false\n',
        replace: '',
      },
    ],
    tests: [PROPERTY],
  },
  {
    name: 'no revision check behind a page',
    harm: 'what a page has is shown again, older than it',
    edits: [
      {
        file: `${LIVE}/watch.ts`,
        find: 'if (asOf === undefined || change.revision > asOf(key)) this.#pending.set(key, change)',
        replace: 'this.#pending.set(key, change)',
      },
    ],
    tests: [PROPERTY],
  },
  {
    name: 'cursor ahead of what was delivered',
    harm: 'what waited for the socket when the connection ended is never shown',
    edits: [
      {
        file: `${LIVE}/watch.ts`,
        find: 'Math.min(this.#sources.hub.contiguous, this.#lowestWaiting - 1)',
        replace: 'this.#sources.hub.contiguous',
      },
    ],
    tests: [PROPERTY],
  },
  {
    name: 'cursor ahead of what was seen',
    harm: 'a change that arrives late is not shown after a reconnection',
    edits: [
      {
        file: `${LIVE}/watch.ts`,
        find: 'Math.min(this.#sources.hub.contiguous, this.#lowestWaiting - 1)',
        replace: 'Math.max(this.#sources.hub.contiguous, this.#high)',
      },
    ],
    tests: [PROPERTY],
  },
  {
    name: 'cursor that forgets an absence',
    harm: 'a key stays that was deleted long ago',
    edits: [
      {
        file: `${LIVE}/wire-change.ts`,
        find: 'change.isAbsence ? 1 : change.revision',
        replace: 'change.revision',
      },
    ],
    tests: [PROPERTY],
  },
  {
    name: 'snapshot sent before its head is reached',
    harm: 'a deleted key comes back, a value goes backwards',
    edits: [
      {
        file: `${LIVE}/watch.ts`,
        find: 'if (await reach(hub, page.head, () => this.isOver)) return page',
        replace: 'return page',
      },
    ],
    tests: [PROPERTY],
  },
  {
    name: 'changes before their page',
    harm: 'a page shows an older value than was shown',
    edits: [
      {
        file: `${LIVE}/watch.ts`,
        find: "const isHeld = this.#phase !== 'live' && this.#isAhead(change.key)",
        replace: "const isHeld = this.#phase !== 'live' && this.#framedThrough === undefined",
      },
    ],
    tests: [PROPERTY],
  },
  {
    name: 'keys in the order of UTF-16',
    harm: 'a change of a key behind the page overtakes it',
    edits: [
      {
        file: `${LIVE}/selection.ts`,
        find: 'codeUnit + 0x10000 : codeUnit',
        replace: 'codeUnit : codeUnit',
      },
    ],
    tests: ['packages/server/test/watch-selection.test.ts'],
  },
  {
    name: 'resume that does not wait',
    harm: 'an instance that lags shows older values than the one before',
    edits: [
      {
        file: `${LIVE}/resume.ts`,
        find: 'const all = Math.max(shown, hub.knownHead)',
        replace: 'const all = 0',
      },
    ],
    tests: [PROPERTY],
  },
  {
    name: 'resume from what was shown last',
    harm: 'what had not been sent when the connection ended is never shown',
    edits: [
      {
        file: `${LIVE}/resume.ts`,
        find: '  const known = fromTail(selection, low, hub)\n',
        replace: '  const known = fromTail(selection, shown, hub)\n',
      },
    ],
    tests: [PROPERTY],
  },
  {
    name: 'resume from below the floor of the Tail',
    harm: 'changes of keys that left the Tail are never shown',
    edits: [{ file: `${LIVE}/resume.ts`, find: '  if (tail.floor > low) return undefined\n', replace: '' }],
    tests: [PROPERTY],
  },
  {
    name: 'no snapshot after a jump',
    harm: 'keys deleted meanwhile stay',
    edits: [
      {
        file: `${LIVE}/watch.ts`,
        find: "    if (this.selection.keys || this.#phase === 'ended') return\n",
        replace: '    return\n',
      },
    ],
    tests: [PROPERTY],
  },
  {
    name: 'jump over who has just begun',
    harm: 'a watch that began during a jump misses what was jumped over',
    edits: [
      {
        file: `${LIVE}/catch-up.ts`,
        find: '    if (lowestHead < Number.POSITIVE_INFINITY) break\n    // Nobody',
        replace:
          '    if (lowestHead === Number.POSITIVE_INFINITY) seenAt(await store.head())\n    break\n    // Nobody',
      },
    ],
    tests: [PROPERTY],
  },
  {
    name: 'a socket written to whether or not it takes it',
    harm: 'a slow client costs memory without bound',
    edits: [
      {
        file: `${LIVE}/live-outbox.ts`,
        find: ' || !this.#outlet.writable) return',
        replace: ') return',
      },
    ],
    tests: [SLOW],
  },
  {
    name: 'pages read ahead of the socket',
    harm: 'a large snapshot to a slow client costs memory without bound',
    edits: [
      {
        file: `${LIVE}/watch.ts`,
        find: '          if (this.#frames.length > 0) await this.#whenTaken()\n',
        replace: '',
      },
    ],
    tests: [SLOW],
  },
  {
    name: 'answers without a bound',
    harm: 'a client that asks without reading costs memory without bound',
    edits: [
      {
        file: `${LIVE}/live-socket.ts`,
        find: 'const MAX_WAITING_ANSWERS = 16 * 2 ** 20',
        replace: 'const MAX_WAITING_ANSWERS = Number.POSITIVE_INFINITY',
      },
    ],
    tests: [SLOW],
  },
  {
    name: 'a client that keeps what a snapshot lacks',
    harm: 'a key stays that was deleted while the client was away',
    edits: [
      {
        file: `${CLIENT}/shared-watch.ts`,
        find: '    for (const [key, held] of this.#held) if (!seen.has(key)) this.#gone(held)\n',
        replace: '',
      },
    ],
    tests: [CLIENT_WATCHES],
  },
  {
    name: 'a client that takes the pages of a snapshot for all of it',
    harm: 'a key that was written while the snapshot came is gone',
    edits: [
      {
        file: `${CLIENT}/shared-watch.ts`,
        find: '      this.#snapshot?.add(change.key)\n',
        replace: '',
      },
    ],
    tests: [CLIENT_WATCHES],
  },
  {
    name: 'a client that does not watch again',
    harm: 'after a lost connection nothing is shown any more',
    edits: [
      {
        file: `${CLIENT}/watches.ts`,
        find: '      if (watch.isWatched) void this.#ask(watch, link)\n',
        replace: '      if (watch.isWatched && this.#named === 0) void this.#ask(watch, link)\n',
      },
    ],
    tests: [WATCHERS],
  },
  {
    name: 'unwatch that only says so',
    harm: 'changes of an ended watch go on',
    edits: [{ file: `${LIVE}/live-socket.ts`, find: '        if (watch) this.#end(watch)\n', replace: '' }],
    tests: ['packages/server/test/watch.test.ts'],
  },
  {
    name: 'frames measured in characters',
    harm: 'frames are up to three times as large as promised',
    edits: [
      { file: `${LIVE}/watch.ts`, find: 'size += change.bytes + 1', replace: 'size += change.text.length' },
    ],
    tests: ['packages/server/test/watch-large.test.ts'],
  },
  {
    name: 'values that were parsed',
    harm: '1.10 becomes 1.1',
    edits: [
      {
        file: 'packages/server/src/http/raw-json.ts',
        find: 'return at === -1 ? undefined : text.slice(at, skipValue(text, at))',
        replace:
          'return at === -1 ? undefined : JSON.stringify(JSON.parse(text.slice(at, skipValue(text, at))))',
      },
    ],
    tests: ['packages/server/test/watch-writes.test.ts'],
  },
]
