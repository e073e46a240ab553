import type { Client, ConnectionState, Json, LiveKVError, Selection, WatchEvent } from '../../src/index.ts'

/** What a watcher was told, and whether it was told as promised. */
export class Seen {
  readonly events: WatchEvent[] = []
  readonly states: ConnectionState[] = []
  /** What is not as promised: a revision that fell, an event after an error. */
  readonly problems: string[] = []
  /** The values as a consumer has them that forgets everything at a reset. */
  readonly values = new Map<string, Json>()
  readonly stop: () => void
  resets = 0
  current = 0
  error: LiveKVError | undefined
  readonly #revisions = new Map<string, number>()

  constructor(client: Client, selection: Selection) {
    this.stop = client.watch(selection, (event) => this.#take(event))
  }

  get state(): ConnectionState['name'] | undefined {
    return this.states.at(-1)?.name
  }

  /** The values by key, in its order. */
  get all(): Record<string, Json> {
    return Object.fromEntries([...this.values].sort(([one], [other]) => (one < other ? -1 : 1)))
  }

  /** Changes as `key=value` and `key-`, `!` before those that are initial, and the names of the other events. */
  get story(): string[] {
    return this.events.flatMap((event) => {
      if (event.type === 'put')
        return `${event.initial ? '!' : ''}${event.key}=${JSON.stringify(event.value)}`
      if (event.type === 'delete') return `${event.key}-`
      return event.type === 'state' ? [] : event.type
    })
  }

  #take(event: WatchEvent): void {
    if (this.error) this.problems.push(`${event.type} after an error`)
    this.events.push(event)
    if (event.type === 'state') this.states.push(event.state)
    else if (event.type === 'current') this.current++
    else if (event.type === 'error') this.error = event.error
    else if (event.type === 'reset') {
      this.resets++
      this.#revisions.clear()
      this.values.clear()
    } else {
      const { key, revision } = event
      const before = this.#revisions.get(key) ?? 0
      if (revision < before) this.problems.push(`${key}: ${revision} after ${before}`)
      this.#revisions.set(key, revision)
      if (event.type === 'put') this.values.set(key, event.value)
      else this.values.delete(key)
    }
  }
}
