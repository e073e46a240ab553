import { type Client, LiveKVError } from '@livekv/client'
import type { WriteRequest } from '@livekv/protocol'
import { type Item, itemOf, refusal, type Try, type WriteChannel } from './write-channel.ts'

/** The client library, which sends again by itself until a write is decided: of what it says nothing is sent again here. */
export class ClientChannel implements WriteChannel {
  readonly isAtomicKnown = false
  readonly #client: Client

  constructor(client: Client) {
    this.#client = client
  }

  async send(writes: readonly WriteRequest[]): Promise<Try> {
    let results: Awaited<ReturnType<Client['write']>>
    try {
      results = await this.#client.write(writes as Parameters<Client['write']>[0])
    } catch (error) {
      // It took none of them: too many wait already, or it was closed.
      return { outcome: 'notApplied', why: (error as Error).message }
    }
    const items = results.map((result): Item => {
      if (!(result instanceof LiveKVError)) return itemOf(result)
      const { code, details } = result
      // What was not sent, or only refused, it says was not applied.
      if (code === 'UNREACHABLE' || code === 'CLIENT_CLOSED') return { status: 'refused', code }
      const tried = refusal({ ...details, code }, 'client', 1)
      if (tried.outcome === 'answered') return tried.items[0]!
      return { status: tried.outcome === 'notApplied' ? 'refused' : 'unknown', code }
    })
    return { outcome: 'answered', items }
  }

  close(): void {}
}
