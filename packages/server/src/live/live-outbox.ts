import { type ErrorBody, FRAME_MAX_BYTES } from '@livekv/protocol'
import type { Socket } from 'socket.io'
import { Outlet } from './outlet.ts'
import { EncodedPacket, PacketGroup } from './packets.ts'
import type { Watch, WatchOutlet } from './watch.ts'

/** Most that one flush hands to a connection, about: one frame. The rest goes at its next `ready`. */
const FLUSH_MAX_BYTES = FRAME_MAX_BYTES

/**
 * What goes out to one socket of the live protocol: answers first, then the frames of its watches in turn.
 *
 *   answer, wake -> (end of the tick) -> flush, at most FLUSH_MAX_BYTES -> ready -> flush …
 *
 * Everything of one tick leaves in one write. While the socket cannot be written, the answers wait here, and the
 * watches keep what is theirs.
 */
export class LiveOutbox implements WatchOutlet {
  readonly #outlet: Outlet
  #answers: EncodedPacket[] = []
  #answersLength = 0
  readonly #awake = new Set<Watch>()
  #isScheduled = false
  #isReading = false
  readonly #waitingToRead: (() => void)[] = []
  readonly #onFailed: (watch: Watch) => void

  constructor(connection: Socket['conn'], onFailed: (watch: Watch) => void) {
    this.#outlet = new Outlet(connection, () => this.#flush())
    this.#onFailed = onFailed
  }

  /** Answers the client has not taken, in characters. */
  get answersLength(): number {
    return this.#answersLength
  }

  get isSlow(): boolean {
    return this.#awake.size > 0
  }

  answer(packet: EncodedPacket): void {
    this.#answers.push(packet)
    this.#answersLength += packet.text.length
    this.#schedule()
  }

  wake(watch: Watch): void {
    this.#awake.add(watch)
    this.#schedule()
  }

  forget(watch: Watch): void {
    this.#awake.delete(watch)
  }

  fail(watch: Watch, error: ErrorBody): void {
    this.forget(watch)
    this.#onFailed(watch)
    this.answer(EncodedPacket.event('watchEnded', JSON.stringify({ ...error, watch: watch.id })))
  }

  pageTurn(): Promise<void> {
    if (this.#isReading) return new Promise((resolve) => this.#waitingToRead.push(resolve))
    this.#isReading = true
    return Promise.resolve()
  }

  pageDone(): void {
    const next = this.#waitingToRead.shift()
    if (next) next()
    else this.#isReading = false
  }

  destroy(): void {
    this.#outlet.destroy()
  }

  release(): void {
    this.#outlet.release()
    this.#answers = []
    this.#awake.clear()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    // Behind everything that this turn still causes: the answers of one commit, all changes of one delivery.
    process.nextTick(() => {
      this.#isScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if ((this.#answers.length === 0 && this.#awake.size === 0) || !this.#outlet.writable) return
    const packets: EncodedPacket[] = []
    let size = 0
    let taken = 0
    for (const packet of this.#answers) {
      if (size >= FLUSH_MAX_BYTES) break
      packets.push(packet)
      size += packet.text.length
      taken++
    }
    this.#answers = taken === this.#answers.length ? [] : this.#answers.slice(taken)
    this.#answersLength -= size
    // A watch with much to send goes to the end of the set, behind the others.
    for (const watch of this.#awake) {
      if (size >= FLUSH_MAX_BYTES) break
      this.#awake.delete(watch)
      const packet = watch.next(FLUSH_MAX_BYTES - size)
      if (packet === undefined) continue
      this.#awake.add(watch)
      packets.push(packet)
      size += packet.text.length
    }
    if (packets.length > 0) this.#outlet.write(new PacketGroup(packets))
  }
}
