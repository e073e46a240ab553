/** What was: the changes of a key, its candles, and the log of all keys. */
import { LiveKVError } from '@livekv/protocol'
import type { Express } from 'express'
import type { Candle, CandleResume } from '../store/store.ts'
import { changeText, isoTime, sendJson } from './answer.ts'
import { parseInterval } from './candle-interval.ts'
import type { HttpContext } from './context.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { checkKey } from './key.ts'
import { Query } from './query.ts'
import { route } from './route.ts'

const MAX_CHANGES = 1_000
const DEFAULT_CHANGES = 100
const MAX_LOG_CHANGES = 5_000
const MAX_CANDLES = 5_000
const DEFAULT_CANDLES = 500
/** The store reads a thousand rows a slice, so that writes get their turn; after this many, a cursor. */
const MAX_SLICES = 100

export function addHistoryRoutes(app: Express, context: HttpContext): void {
  const { config, store, limits } = context

  route(
    app,
    '/api/v1/history',
    {
      async get(request, response) {
        const query = new Query(request, ['key', 'by', 'from', 'to', 'order', 'limit', 'cursor'])
        const key = checkKey(query.required('key'), config.maxKeyBytes)
        const by = query.choice('by', ['time', 'revision'])
        const order = query.choice('order', ['asc', 'desc'])
        const bound = (name: string) =>
          by === 'time' ? query.time(name) : query.integer(name, 0, Number.MAX_SAFE_INTEGER)
        const [from, to] = [bound('from'), bound('to')]
        const limit = query.integer('limit', 1, MAX_CHANGES) ?? DEFAULT_CHANGES
        const scope = ['history', store.info.storeId, key, by, order, from, to]
        const after = decodeCursor(scope, query.text('cursor'), isPosition)
        const { changes, more } = await store.history({
          key,
          by,
          order,
          limit,
          ...(from !== undefined && { from }),
          ...(to !== undefined && { to }),
          ...(after !== undefined && { after }),
        })
        const last = changes.at(-1)
        const next =
          more && last ? `,"next":"${encodeCursor(scope, { time: last.time, revision: last.revision })}"` : ''
        sendJson(response, 200, `{"changes":[${changes.map(changeText).join(',')}]${next}}`)
      },
    },
    limits,
  )

  route(
    app,
    '/api/v1/candles',
    {
      async get(request, response) {
        const query = new Query(request, ['key', 'interval', 'from', 'to', 'limit', 'cursor'])
        const key = checkKey(query.required('key'), config.maxKeyBytes)
        const interval = parseInterval(query.text('interval') ?? '1d')
        const [from, to] = [query.time('from'), query.time('to')]
        const limit = query.integer('limit', 1, MAX_CANDLES) ?? DEFAULT_CANDLES
        const scope = ['candles', store.info.storeId, key, interval, from, to]
        let resume = decodeCursor(scope, query.text('cursor'), isCandleResume)
        const candles: Candle[] = []
        for (let slice = 0; slice < MAX_SLICES; slice++) {
          const page = await store.candles({
            key,
            interval,
            limit: limit - candles.length,
            ...(from !== undefined && { from }),
            ...(to !== undefined && { to }),
            ...(resume !== undefined && { resume }),
          })
          candles.push(...page.candles)
          resume = page.resume
          if (resume === undefined || candles.length >= limit) break
        }
        const next = resume === undefined ? '' : `,"next":"${encodeCursor(scope, resume)}"`
        sendJson(response, 200, `{"candles":[${candles.map(candleText).join(',')}]${next}}`)
      },
    },
    limits,
  )

  route(
    app,
    '/api/v1/changes',
    {
      async get(request, response) {
        const query = new Query(request, ['since', 'limit', 'prefix', 'cursor'])
        const prefix = query.text('prefix') ?? ''
        const limit = query.integer('limit', 1, MAX_LOG_CHANGES) ?? DEFAULT_CHANGES
        const scope = ['changes', store.info.storeId, prefix]
        const since =
          decodeCursor(scope, query.text('cursor'), isRevision) ??
          query.integer('since', 0, Number.MAX_SAFE_INTEGER) ??
          0
        const { head, changes } = await store.changesSince(since, limit)
        if (since > head) {
          throw new LiveKVError(
            'INVALID_CURSOR',
            `since=${since} is above the last revision ${head}: it is of another store. Take a snapshot and go on from its revision.`,
            { revision: head },
          )
        }
        const through = changes.at(-1)?.revision ?? since
        const wanted = prefix === '' ? changes : changes.filter((change) => change.key.startsWith(prefix))
        const next = changes.length > 0 && through < head ? `,"next":"${encodeCursor(scope, through)}"` : ''
        sendJson(
          response,
          200,
          `{"changes":[${wanted.map(changeText).join(',')}],"through":${through},"head":${head}${next}}`,
        )
      },
    },
    limits,
  )
}

function isRevision(state: unknown): state is number {
  return Number.isSafeInteger(state) && (state as number) >= 0
}

function isPosition(state: unknown): state is { time: number; revision: number } {
  const { time, revision } = (state ?? {}) as Record<string, unknown>
  return Number.isSafeInteger(time) && Number.isSafeInteger(revision)
}

function isCandleResume(state: unknown): state is CandleResume {
  const { after, open } = (state ?? {}) as Record<string, unknown>
  return isPosition(after) && (open === undefined || isCandle(open))
}

function isCandle(state: unknown): state is Candle {
  const { time, open, high, low, close, count } = (state ?? {}) as Record<string, unknown>
  const isPrice = (price: unknown) => typeof price === 'string' && Number.isFinite(Number(price))
  return Number.isSafeInteger(time) && Number.isSafeInteger(count) && [open, high, low, close].every(isPrice)
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** Decimal text such as `+7` or `.5` comes from values that are strings. */
const price = (text: string) => (JSON_NUMBER.test(text) ? text : JSON.stringify(Number(text)))

function candleText({ time, open, high, low, close, count }: Candle): string {
  return `{"time":"${isoTime(time)}","open":${price(open)},"high":${price(high)},"low":${price(low)},"close":${price(close)},"count":${count}}`
}
