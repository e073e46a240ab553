/** `document` and the window’s events, as far as the client looks at them, on this process’s globals. */
export class PretendedPage {
  readonly #document = new CountedTarget()
  readonly #window = new CountedTarget()
  hidden = false

  constructor() {
    const document = Object.defineProperty(this.#document, 'visibilityState', {
      get: () => (this.hidden ? 'hidden' : 'visible'),
    })
    Object.assign(globalThis, {
      document,
      addEventListener: this.#window.addEventListener.bind(this.#window),
      removeEventListener: this.#window.removeEventListener.bind(this.#window),
    })
  }

  get listeners(): number {
    return this.#document.listeners + this.#window.listeners
  }

  signal(name: string): void {
    const target = name === 'visibilitychange' ? this.#document : this.#window
    target.dispatchEvent(new Event(name))
  }

  remove(): void {
    for (const name of ['document', 'addEventListener', 'removeEventListener'])
      Reflect.deleteProperty(globalThis, name)
  }
}

class CountedTarget extends EventTarget {
  listeners = 0

  override addEventListener(...args: Parameters<EventTarget['addEventListener']>): void {
    this.listeners++
    super.addEventListener(...args)
  }

  override removeEventListener(...args: Parameters<EventTarget['removeEventListener']>): void {
    this.listeners--
    super.removeEventListener(...args)
  }
}
