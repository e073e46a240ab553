import { LiveKVError } from '@livekv/protocol'
import { shown } from './shown.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** 1 to `maxBytes` bytes of UTF-8 without control characters; everything else is the user's business. */
export function checkKey(key: unknown, maxBytes: number): string {
  if (typeof key !== 'string') {
    throw new LiveKVError('INVALID_KEY', `The key must be a string, not ${shown(key)}.`)
  }
  if (key === '') throw new LiveKVError('INVALID_KEY', 'The key is empty: give at least one character.')
  if (key.length * 3 > maxBytes && Buffer.byteLength(key) > maxBytes) {
    throw new LiveKVError(
      'INVALID_KEY',
      `The key ${shown(key)} has ${Buffer.byteLength(key)} bytes in UTF-8: at most ${maxBytes} are allowed.`,
    )
  }
  if (CONTROL.test(key)) {
    throw new LiveKVError('INVALID_KEY', `The key ${shown(key)} has a control character: leave it out.`)
  }
  if (!key.isWellFormed()) {
    throw new LiveKVError(
      'INVALID_KEY',
      `The key ${shown(key)} has half of a surrogate pair, which is no character in UTF-8: send both halves or neither.`,
    )
  }
  return key
}
