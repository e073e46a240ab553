export interface ClockSample {
  /** Server's clock minus this device's. */
  offsetMs: number
  rttMs: number
}

/** A sample this old is replaced by whatever comes: clocks drift. */
const MAX_AGE_MS = 10 * 60_000
/** Clocks tick in whole milliseconds, on both sides. */
const GRAIN_MS = 2

/**
 * The server's clock, estimated: the answer with the shortest round trip is the one whose middle is least uncertain,
 * so it stands until a shorter one comes, it is old, or an answer cannot be true together with it: then a clock was
 * set, or another instance answers.
 */
export class Clock {
  #best: ClockSample | undefined
  #takenMs = 0
  #askedMs = Number.NEGATIVE_INFINITY

  now(): number {
    return Date.now() + (this.#best?.offsetMs ?? 0)
  }

  add(sample: ClockSample): void {
    const nowMs = performance.now()
    this.#askedMs = nowMs
    if (this.#best && nowMs - this.#takenMs < MAX_AGE_MS && stands(this.#best, sample)) return
    this.#best = sample
    this.#takenMs = nowMs
  }

  /** This device's clock was set, or the device slept: what was measured no longer holds. */
  forget(): void {
    this.#takenMs = Number.NEGATIVE_INFINITY
    this.#askedMs = Number.NEGATIVE_INFINITY
  }

  /** Since the last sample. */
  get ageMs(): number {
    return performance.now() - this.#askedMs
  }
}

function stands(best: ClockSample, sample: ClockSample): boolean {
  const agree = Math.abs(best.offsetMs - sample.offsetMs) <= (best.rttMs + sample.rttMs) / 2 + GRAIN_MS
  return agree && best.rttMs < sample.rttMs
}
