/**
 * An item as the text of a Redis string:
 *
 *   asOf checksum revision                              the key had no value
 *   asOf checksum revision at time expiresAt json       expiresAt is - for none; json is as it was written
 *
 * The checksum covers the key as well: what is damaged, cut off, copied to another name or somebody else's is no item.
 */
import { crc32 } from 'node:zlib'
import type { CachedItem } from './cache.ts'

const ITEM = /^(\d{1,16}) (\d{1,10}) ((\d{1,16})(?: (-?[\d.]+) (-?[\d.]+) (-|[\d.]+) (.+))?)$/s

export function textOfItem({ key, entry, revision, asOf }: CachedItem): string {
  const rest =
    entry === null
      ? `${revision}`
      : `${revision} ${entry.at} ${entry.time} ${entry.expiresAt ?? '-'} ${entry.json}`
  return `${asOf} ${checksum(key, asOf, rest)} ${rest}`
}

/** Undefined: it is none. */
export function readItem(key: string, text: string): CachedItem | undefined {
  const match = ITEM.exec(text)
  if (!match) return undefined
  const [, asOfText, sum, rest, revisionText, at, time, expiresAt, json] = match
  const asOf = Number(asOfText)
  if (Number(sum) !== checksum(key, asOf, rest ?? '')) return undefined
  const revision = Number(revisionText)
  if (json === undefined) return { key, entry: null, revision, asOf }
  const entry = {
    key,
    json,
    revision,
    at: Number(at),
    time: Number(time),
    expiresAt: expiresAt === '-' ? null : Number(expiresAt),
  }
  return { key, entry, revision, asOf }
}

function checksum(key: string, asOf: number, rest: string): number {
  return crc32(`${key}\n${asOf}\n${rest}`)
}
