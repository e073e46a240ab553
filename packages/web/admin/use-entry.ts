import type { Entry } from '@livekv/client'
import { useEffect, useState } from 'preact/hooks'
import { client } from '../src/live.ts'
import { throttled } from '../src/throttled.ts'
import type { LiveEntries } from './live-entries.ts'

const SHOW_EVERY_MS = 100

/** The key's present entry; null: it has none; undefined: not known yet. The key must stay the same. */
export function useEntry(entries: LiveEntries, key: string): Entry | null | undefined {
  const [entry, show] = useState(() => client.value(key).get())
  useEffect(() => {
    let latest: Entry | null | undefined
    const showLatest = throttled(SHOW_EVERY_MS, () => show(latest))
    return entries.follow(key, (next) => {
      latest = next
      showLatest()
    })
  }, [])
  return entry
}
