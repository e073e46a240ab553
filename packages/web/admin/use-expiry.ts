import { LiveKVError } from '@livekv/client'
import { useEffect, useRef, useState } from 'preact/hooks'
import { client } from '../src/live.ts'

/** A write waits for the server as long as that, too. */
const RETRY_FOR_MS = 5 * 60_000
const RETRY_PAUSE_MS = 1_000

export interface Expiry {
  /** When the entry expires, by the server's clock; undefined: never, or not known yet. */
  readonly at: number | undefined
  /** For a write that is to keep the expiry, which a put without `ttlMs` ends. Waits until it is known. */
  ttlMs(): Promise<number | undefined>
}

/**
 * The expiry of what the key has now, at `revision` or later. It is asked for, since an entry that changed while it was
 * watched does not tell its expiry. Without a key there is none.
 */
export function useExpiry(key: string | undefined, revision: number | undefined): Expiry {
  const [at, show] = useState<number | undefined>(undefined)
  const asked = useRef<Promise<number | undefined> | undefined>(undefined)
  useEffect(() => {
    let isCurrent = true
    const told = (answer?: number) => {
      if (isCurrent) show(answer)
    }
    asked.current = ask(key, revision)
    asked.current.then(told, () => told())
    return () => {
      isCurrent = false
    }
  }, [key, revision])
  return {
    at,
    async ttlMs() {
      const expiresAt = await untilAnswered(asked.current, () => ask(key, revision))
      return expiresAt === undefined ? undefined : Math.max(1, Math.round(expiresAt - client.now()))
    },
  }
}

async function ask(key: string | undefined, revision: number | undefined): Promise<number | undefined> {
  if (key === undefined) return undefined
  // Of several keys: that one is absent is then no error, of which the browser would complain.
  const found = await client.getMany([key], revision === undefined ? {} : { atLeast: revision })
  const expiresAt = found.get(key)?.expiresAt
  return expiresAt === undefined ? undefined : Date.parse(expiresAt)
}

async function untilAnswered<T>(first: Promise<T> | undefined, again: () => Promise<T>): Promise<T> {
  const untilMs = performance.now() + RETRY_FOR_MS
  let answer = first ?? again()
  for (;;) {
    try {
      return await answer
    } catch (error) {
      if (!(error instanceof LiveKVError && error.retryable) || performance.now() > untilMs) throw error
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS))
      answer = again()
    }
  }
}
