import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CommitResult, Write } from '../../src/store/store.ts'
import { canonicalDecimal } from './decimal.ts'
import { type ModelResult, ModelStore } from './model-store.ts'
import { logSince, type StoreCase } from './store-case.ts'

/** A write whose key, condition and idempotency key are still relative to the run. */
interface Draft {
  op: 'put' | 'delete' | 'increment' | 'touch'
  key: number
  json: string
  by: string
  ttlMs: number | undefined
  skipUnchanged: boolean
  time: number | undefined
  /** Revision the key had before the batch, 0, or one the batch itself may give. */
  condition: { kind: 'none' | 'before' | 'absent' } | { kind: 'within'; offset: number }
  idempotency: number | undefined
}

/** Neighbours that are one atomic group, or not. */
type DraftGroup = { atomic: boolean; drafts: Draft[] }

const draft: fc.Arbitrary<Draft> = fc.record({
  op: fc.constantFrom('put', 'put', 'delete', 'increment', 'increment', 'touch'),
  key: fc.nat(2),
  json: fc.oneof(
    {
      weight: 12,
      arbitrary: fc.constantFrom('1', '2.50', '0.1', '"x"', 'null', '{"b": 1, "a": 2}', '1e308'),
    },
    { weight: 1, arbitrary: fc.constantFrom('{', '') },
  ),
  by: fc.constantFrom('1', '0.2', '-3', '1e308'),
  ttlMs: fc.option(fc.constantFrom(3_600_000, 7_200_000), { nil: undefined, freq: 3 }),
  skipUnchanged: fc.boolean(),
  time: fc.option(fc.constantFrom(0, -5, 1_000), { nil: undefined, freq: 3 }),
  condition: fc.oneof(
    { weight: 4, arbitrary: fc.constant({ kind: 'none' as const }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'before' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'absent' as const }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('within' as const), offset: fc.integer({ min: 1, max: 5 }) }),
    },
  ),
  idempotency: fc.option(fc.nat(3), { nil: undefined, freq: 3 }),
})

const batches: fc.Arbitrary<DraftGroup[][]> = fc.array(
  fc.array(fc.record({ atomic: fc.boolean(), drafts: fc.array(draft, { minLength: 1, maxLength: 4 }) }), {
    minLength: 1,
    maxLength: 4,
  }),
  { minLength: 1, maxLength: 5 },
)

function toWrites(groups: DraftGroup[], prefix: string, model: ModelStore): Write[] {
  const used = new Set<string>()
  return groups.flatMap(({ atomic, drafts }, group) =>
    drafts.map((d, index): Write => {
      // Left open: which failure of a group with one key twice comes first (it has a case of its own), and what a
      // batch answers that brings, under a key known from before, first another write and then the known one.
      const token = `${prefix}${d.idempotency}`
      const twice = atomic && drafts.slice(0, index).some((other) => other.idempotency === d.idempotency)
      const noToken = d.idempotency === undefined || twice || (used.has(token) && model.remembers(token))
      used.add(token)
      const key = `${prefix}${d.key}`
      const { condition } = d
      const ifRevision =
        condition.kind === 'before'
          ? (model.entries.get(key)?.revision ?? 0)
          : condition.kind === 'absent'
            ? 0
            : condition.kind === 'within'
              ? model.head + condition.offset
              : undefined
      const common = {
        key,
        ...(d.time === undefined ? {} : { time: d.time }),
        ...(ifRevision === undefined ? {} : { ifRevision }),
        ...(noToken ? {} : { idempotencyKey: token }),
        ...(atomic ? { atomicGroup: group } : {}),
      }
      const ttl = d.ttlMs === undefined ? {} : { ttlMs: d.ttlMs }
      if (d.op === 'put')
        return {
          ...common,
          ...ttl,
          op: 'put',
          json: atomic ? isolated(d.json) : d.json,
          ...(d.skipUnchanged ? { skipUnchanged: true } : {}),
        }
      if (d.op === 'increment') return { ...common, ...ttl, op: 'increment', by: d.by }
      if (d.op === 'touch') return { ...common, ...ttl, op: 'touch' }
      return { ...common, op: 'delete' }
    }),
  )
}

/** What a refused value does to its group has a case of its own. */
const isolated = (json: string) => (json === '{' || json === '' ? '3' : json)

/**
 * Numbers compare as numbers (1.50 = 1.5 after an increment); everything else as text. A sum of more than 40 digits is
 * kept as a double.
 */
function comparable(json: string | null): string | null {
  if (json === null || !/^-?\d/.test(json)) return json
  const exact = canonicalDecimal(json)
  return exact.length > 40 ? String(Number(json)) : exact
}

function comparableResult(result: CommitResult | ModelResult): unknown {
  if (result.status === 'failed') return result.code
  const repeated = result.repeated === true
  if (result.status !== 'applied') return [result.status, result.revision, repeated]
  const { key, revision, json } = result.change
  return ['applied', key, revision, comparable(json), repeated]
}

/** Random batches of everything at once, against the plain model. */
export function propertyCases(use: StoreCase): void {
  describe('against the sequential model', () => {
    test('random batches: same results, same entries, same log', async () => {
      let runs = 0
      await fc.assert(
        fc.asyncProperty(batches, async (drafted) => {
          const { store } = use
          const prefix = `${use.key('p')}${++runs}/`
          const base = await store.head()
          const model = new ModelStore(base)
          const atOfRevision = new Map<number, number>()
          for (const groups of drafted) {
            const writes = toWrites(groups, prefix, model)
            const expected = model.commit(writes)
            const results = await store.commit(writes)
            expect(results.map(comparableResult)).toEqual(expected.map(comparableResult))
            for (const r of results) {
              if (r.status !== 'applied' || r.repeated) continue
              atOfRevision.set(r.change.revision, r.change.at)
            }
          }
          expect(await store.head()).toBe(model.head)
          const log = await logSince(store, base)
          expect(log.map((c) => [c.key, c.revision, comparable(c.json), c.at, c.time])).toEqual(
            model.log.map((c) => {
              const at = atOfRevision.get(c.revision)
              return [c.key, c.revision, comparable(c.json), at, c.time ?? at]
            }),
          )
          const { entries } = await store.get([0, 1, 2].map((i) => `${prefix}${i}`))
          expect(
            [...entries.values()].map((e) => [e.key, e.revision, comparable(e.json), e.expiresAt]).sort(),
          ).toEqual(
            [...model.entries]
              .map(([key, e]) => [
                key,
                e.revision,
                comparable(e.json),
                e.expiry && atOfRevision.get(e.expiry.since)! + e.expiry.ttlMs,
              ])
              .sort(),
          )
        }),
        { numRuns: 150 },
      )
    }, 120_000)
  })
}
