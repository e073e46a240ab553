import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import { Origins } from '../src/http/origins.ts'

/** Pages that come by way of a proxy: it passes on the Host that the browser sent, port included. */

const refusal = (listensOn: string, headers: Record<string, string>, allowedOrigins: string[] = []) =>
  new Origins({ host: listensOn, publishedOn: listensOn, allowedOrigins }).refusal({
    headers,
  } as unknown as IncomingMessage)?.code

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

test('a container published on loopback only refuses names that lead to it, and takes pages of this machine', () => {
  const container = { HOST: '0.0.0.0', PUBLISHED_ON: '127.0.0.1' }
  const refusalOf = (environment: Record<string, string>, headers: Record<string, string>) =>
    new Origins(loadConfig(environment).config).refusal({ headers } as unknown as IncomingMessage)?.code
  for (const environment of [container, {}]) {
    for (const headers of [
      { host: 'evil.example', origin: 'http://evil.example' },
      { host: 'evil.example' },
      { host: '127.0.0.1.evil.example' },
      { host: 'localhost', origin: 'http://evil.example' },
    ]) {
      expect(refusalOf(environment, headers), JSON.stringify(headers)).toBe('ORIGIN_NOT_ALLOWED')
    }
    expect(refusalOf(environment, { host: 'localhost', origin: 'http://localhost:8000' })).toBeUndefined()
  }
  // Nginx, Prometheus and the health check ask by address.
  for (const host of ['10.83.71.130:8080', '127.0.0.1:8080', '[fd00::1]:8080', '[fd00::1]']) {
    expect(refusalOf(container, { host }), host).toBeUndefined()
  }
  const open = { ...container, PUBLISHED_ON: '0.0.0.0' }
  expect(refusalOf(open, { host: 'prices.example', origin: 'http://prices.example' })).toBeUndefined()
  expect(refusalOf(open, { host: 'prices.example', origin: 'http://evil.example' })).toBe(
    'ORIGIN_NOT_ALLOWED',
  )
})
