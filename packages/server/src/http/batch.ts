/**
 * Batches, as POST /api/v1/batch and as the event of the live protocol: many writes in one request, results in
 * their order. Without `atomic` each item stands for itself, and a refused one (even one that cannot be understood)
 * leaves the others alone.
 */
import { LiveKVError } from '@livekv/protocol'
import type { Express } from 'express'
import type { KeyValue } from '../key-value.ts'
import type { CommitResult, Write } from '../store/store.ts'
import { sendJson } from './answer.ts'
import { type JsonBody, readJsonObject } from './body.ts'
import type { HttpContext } from './context.ts'
import { checkFields } from './fields.ts'
import { checkKey } from './key.ts'
import { findItems, findMember } from './raw-json.ts'
import { route } from './route.ts'
import { shown } from './shown.ts'
import { doneText, parseWrite, resultOrThrow } from './writes.ts'

const OPS = ['put', 'delete', 'increment', 'touch'] as const

/** Batches of several requests may meet in one commit, so a group's number is never used twice in a process. */
let lastAtomicGroup = 0

export type BatchContext = Pick<HttpContext, 'config'> & { keyValue: Pick<KeyValue, 'write'> }

export function addBatchRoute(app: Express, context: HttpContext): void {
  route(app, '/api/v1/batch', {
    async post(request, response) {
      const body = await readJsonObject(request, context.config.maxBodyBytes)
      const count = (items: number) => context.limits.write(request, response, items)
      sendJson(response, 200, await runBatch(body, context, count))
    },
  })
}

/**
 * Resolves with the text of the answer; rejects with what the whole batch is refused for. `count` is told of the items
 * and may throw.
 */
export async function runBatch(
  body: JsonBody,
  { config, keyValue }: BatchContext,
  count: (items: number) => void,
): Promise<string> {
  const { items, atomic } = batchOf(body, config.maxBatchItems)
  count(items.length)
  const parsed = items.map((item, index) => {
    try {
      return parseItem(item, config)
    } catch (error) {
      if (!(error instanceof LiveKVError)) throw error
      if (atomic) throw culprit(error, index)
      return error
    }
  })
  const writes = parsed.filter((item) => !(item instanceof LiveKVError)) as Write[]
  if (atomic) {
    lastAtomicGroup++
    for (const write of writes) write.atomicGroup = lastAtomicGroup
  }
  const results = writes.length === 0 ? [] : await keyValue.write(writes)
  if (atomic) throwCulprit(writes, results)
  let next = 0
  const texts = parsed.map((item, index) => {
    if (item instanceof LiveKVError)
      return errorText(item, (items[index]!.object as { key?: unknown } | null)?.key)
    return resultText(item, results[next++]!)
  })
  return `{"results":[${texts.join(',')}]}`
}

function parseItem(item: JsonBody, config: BatchContext['config']): Write {
  const { object } = item
  if (typeof object !== 'object' || object === null || Array.isArray(object)) {
    throw new LiveKVError('INVALID_REQUEST', `${shown(object)} must be an object {op, key, …}.`)
  }
  const op = OPS.find((candidate) => candidate === (object.op ?? 'put'))
  if (op === undefined) {
    throw new LiveKVError('INVALID_REQUEST', `op ${shown(object.op)} must be one of ${OPS.join(', ')}.`)
  }
  return parseWrite(op, checkKey(object.key, config.maxKeyBytes), item, config.maxValueBytes, ['op', 'key'])
}

function batchOf(body: JsonBody, maxItems: number): { items: JsonBody[]; atomic: boolean } {
  const { text, start, object } = body
  checkFields('a batch', object, ['writes', 'atomic'])
  const { writes, atomic = false } = object
  if (!Array.isArray(writes)) {
    throw new LiveKVError(
      'INVALID_REQUEST',
      `writes ${shown(writes)} must be an array: send {"writes": [{"op": "put", "key": "gold", "value": 1}]}.`,
    )
  }
  if (typeof atomic !== 'boolean') {
    throw new LiveKVError('INVALID_REQUEST', `atomic ${shown(atomic)} must be true or false.`)
  }
  if (writes.length > maxItems) {
    throw new LiveKVError(
      'BATCH_TOO_LARGE',
      `${writes.length} writes in one batch: at most ${maxItems} are allowed (MAX_BATCH_ITEMS). Split it.`,
    )
  }
  const starts = findItems(text, findMember(text, start, 'writes'))
  return { atomic, items: writes.map((item, index) => ({ text, start: starts[index]!, object: item })) }
}

function culprit(error: LiveKVError, index: number): LiveKVError {
  return new LiveKVError(
    error.code,
    `Write ${index} of the atomic batch: ${error.message} Nothing was applied.`,
    {
      ...error.details,
      index,
    },
  )
}

/** An atomic batch fails as its first item that failed by itself does. */
function throwCulprit(writes: readonly Write[], results: readonly CommitResult[]): void {
  let aborted: LiveKVError | undefined
  for (const [index, result] of results.entries()) {
    try {
      resultOrThrow(writes[index]!, result)
    } catch (error) {
      const found = culprit(error as LiveKVError, index)
      if (found.code !== 'ATOMIC_ABORTED') throw found
      aborted ??= found
    }
  }
  if (aborted) throw aborted
}

function resultText(write: Write, result: CommitResult): string {
  try {
    return `{${doneText(write, resultOrThrow(write, result).done)}}`
  } catch (error) {
    if (!(error instanceof LiveKVError)) throw error
    return errorText(error, write.key)
  }
}

function errorText(error: LiveKVError, key: unknown): string {
  return JSON.stringify({
    status: 'failed',
    ...(typeof key === 'string' && { key }),
    ...error.toBody(),
  })
}
