import { LiveKVError } from '@livekv/protocol'
import type { CandleInterval } from '../store/store.ts'
import { shown } from './shown.ts'

const UNITS: Record<string, CandleInterval> = {
  ms: { unit: 'millisecond', count: 1 },
  s: { unit: 'millisecond', count: 1_000 },
  m: { unit: 'millisecond', count: 60_000 },
  h: { unit: 'millisecond', count: 3_600_000 },
  d: { unit: 'millisecond', count: 86_400_000 },
  w: { unit: 'millisecond', count: 604_800_000 },
  mo: { unit: 'month', count: 1 },
  y: { unit: 'month', count: 12 },
}

/** `1m`, `15m`, `1h`, `1d`, `1w`, `1mo`, `3mo`, `1y`. */
export function parseInterval(text: string): CandleInterval {
  const match = /^([1-9]\d{0,5})(ms|s|m|h|d|w|mo|y)$/.exec(text)
  const unit = match && UNITS[match[2]!]
  if (!unit) {
    throw new LiveKVError(
      'INVALID_REQUEST',
      `interval ${shown(text)} must be a number and a unit (s, m, h, d, w, mo or y), such as 1m, 1h, 1d, 1mo.`,
    )
  }
  return { unit: unit.unit, count: unit.count * Number(match[1]) }
}
