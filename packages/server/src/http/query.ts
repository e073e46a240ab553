/**
 * Query strings, read strictly: unknown and repeated parameters and broken percent-encoding are refused, because a
 * misspelt `limit` or a mangled key that passes unnoticed is worse than an error.
 */
import type { IncomingMessage } from 'node:http'
import { LiveKVError } from '@livekv/protocol'
import { shown } from './shown.ts'
import { parseTime } from './time.ts'

export class Query {
  readonly #values = new Map<string, string>()

  constructor(request: IncomingMessage, allowed: readonly string[]) {
    const url = request.url!
    const mark = url.indexOf('?')
    if (mark === -1) return
    for (const part of url.slice(mark + 1).split('&')) {
      if (part === '') continue
      const equals = part.indexOf('=')
      const name = decode(equals === -1 ? part : part.slice(0, equals))
      if (!allowed.includes(name)) {
        const known = allowed.length === 0 ? 'this address takes none' : `known here: ${allowed.join(', ')}`
        throw new LiveKVError('INVALID_REQUEST', `The query parameter ${shown(name)} is unknown; ${known}.`)
      }
      if (this.#values.has(name)) {
        throw new LiveKVError('INVALID_REQUEST', `The query parameter ${name} is given twice: give it once.`)
      }
      this.#values.set(name, equals === -1 ? '' : decode(part.slice(equals + 1)))
    }
  }

  text(name: string): string | undefined {
    return this.#values.get(name)
  }

  required(name: string): string {
    const value = this.#values.get(name)
    if (value === undefined) {
      throw new LiveKVError('INVALID_REQUEST', `The query parameter ${name} is missing: add ?${name}=…`)
    }
    return value
  }

  integer(name: string, min: number, max: number): number | undefined {
    const text = this.#values.get(name)
    if (text === undefined) return undefined
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) {
      throw new LiveKVError(
        'INVALID_REQUEST',
        `${name} ${shown(text)} must be a whole number from ${min} to ${max}.`,
      )
    }
    return value
  }

  choice<const T extends string>(name: string, choices: readonly [T, ...T[]]): T {
    const text = this.#values.get(name)
    if (text === undefined) return choices[0]
    const choice = choices.find((candidate) => candidate === text)
    if (choice === undefined) {
      throw new LiveKVError('INVALID_REQUEST', `${name} ${shown(text)} must be one of ${choices.join(', ')}.`)
    }
    return choice
  }

  time(name: string): number | undefined {
    const text = this.#values.get(name)
    // A plus of a zone that was not percent-encoded has become a space.
    return text === undefined ? undefined : parseTime(name, text.replace(/ (\d\d:\d\d)$/, '+$1'))
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw new LiveKVError(
      'INVALID_REQUEST',
      `${shown(text)} in the address is not percent-encoded UTF-8: encode it with encodeURIComponent.`,
    )
  }
}
