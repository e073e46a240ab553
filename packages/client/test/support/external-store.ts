import type { Value } from '../../src/index.ts'

/**
 * What React’s `useSyncExternalStore(value.subscribe, value.get)` does with a store, and what it demands of it: the
 * snapshot is the same object for as long as nothing was announced, and whatever changed is announced or is found by
 * the look right after subscribing. With `strict`, as in React’s StrictMode, it is mounted, unmounted and mounted again.
 */
export class MountedComponent {
  readonly rendered: unknown[] = []
  /** What React would warn of. */
  readonly complaints: string[] = []
  readonly #getSnapshot: () => unknown
  readonly #unsubscribe: () => void

  constructor({ subscribe, get }: Pick<Value, 'subscribe' | 'get'>, strict = false) {
    this.#getSnapshot = get
    this.#render()
    if (strict) subscribe(() => this.#changed())()
    this.#unsubscribe = subscribe(() => this.#changed())
    this.#changed()
  }

  get shown(): unknown {
    return this.rendered.at(-1)
  }

  unmount(): void {
    this.#unsubscribe()
  }

  #changed(): void {
    if (!Object.is(this.#getSnapshot(), this.shown)) this.#render()
  }

  #render(): void {
    const snapshot = this.#getSnapshot()
    if (!Object.is(snapshot, this.#getSnapshot())) this.complaints.push('getSnapshot should be cached')
    this.rendered.push(snapshot)
  }
}
