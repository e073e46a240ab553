import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { Origins } from '../src/http/origins.ts'

/** Pages that come by way of a proxy: it passes on the Host that the browser sent, port included. */

const refusal = (listensOn: string, headers: Record<string, string>, allowedOrigins: string[] = []) =>
  new Origins({ host: listensOn, allowedOrigins }).refusal({ headers } as unknown as IncomingMessage)?.code

test.each(['0.0.0.0', '127.0.0.1'])('http://localhost on port 80 of a proxy, instance on %s', (listensOn) => {
  expect(refusal(listensOn, { host: 'localhost', origin: 'http://localhost' })).toBeUndefined()
  expect(refusal(listensOn, { host: 'localhost:8081', origin: 'http://localhost:8081' })).toBeUndefined()
})

test('a public name, with TLS that the proxy ends', () => {
  const headers = { host: 'prices.example', origin: 'https://prices.example' }
  expect(refusal('0.0.0.0', headers)).toBeUndefined()
  // Listening on loopback only, the name has to be known: it could be one that resolves to 127.0.0.1.
  expect(refusal('127.0.0.1', headers)).toBe('ORIGIN_NOT_ALLOWED')
  expect(refusal('127.0.0.1', headers, ['https://prices.example'])).toBeUndefined()
})

test('a proxy that does not pass on the Host makes every page a stranger, and X-Forwarded-Host changes nothing', () => {
  const headers = { host: 'livekv', origin: 'http://localhost', 'x-forwarded-host': 'localhost' }
  expect(refusal('0.0.0.0', headers)).toBe('ORIGIN_NOT_ALLOWED')
  expect(refusal('0.0.0.0', { ...headers, host: 'evil.example', 'x-forwarded-host': 'evil.example' })).toBe(
    'ORIGIN_NOT_ALLOWED',
  )
})
