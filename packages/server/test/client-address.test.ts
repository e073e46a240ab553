import { expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import { clientAddress, networkOf } from '../src/limits/client-address.ts'

const seen = (proxies: string, remoteAddress: string | undefined, forwarded?: string) => {
  const { config } = loadConfig({ TRUST_PROXY: proxies })
  return clientAddress(config.trustProxy)({
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  })
}

test('without trusted proxies the header counts for nothing', () => {
  expect(seen('', '127.0.0.1', '8.8.8.8')).toBe('127.0.0.1')
  expect(seen('', '::ffff:10.0.0.7', '8.8.8.8')).toBe('10.0.0.7')
  expect(seen('', undefined)).toBe('')
})

test('whoever is no trusted proxy cannot name an address', () => {
  expect(seen('10.0.0.0/8', '11.0.0.1', '8.8.8.8')).toBe('11.0.0.1')
  expect(seen('loopback', '10.0.0.1', '8.8.8.8')).toBe('10.0.0.1')
})

test('behind trusted proxies the client is the right-most address that is none of them', () => {
  expect(seen('10.0.0.0/8', '10.0.0.1', '8.8.8.8')).toBe('8.8.8.8')
  expect(seen('10.0.0.0/8', '::ffff:10.0.0.1', '8.8.8.8')).toBe('8.8.8.8')
  expect(seen('10.0.0.0/8,192.168.1.5', '10.0.0.1', '1.1.1.1, 8.8.8.8,192.168.1.5 , 10.9.9.9')).toBe(
    '8.8.8.8',
  )
  expect(seen('10.0.0.0/8', '10.0.0.1', '1.1.1.1, 192.168.1.5')).toBe('192.168.1.5')
  expect(seen('uniquelocal, loopback', '::1', '2001:db8::7, fd00::1, 172.16.0.9')).toBe('2001:db8::7')
  expect(seen('fd00::/8', 'fd00::1%eth0', '8.8.8.8')).toBe('8.8.8.8')
})

test.each([
  ['8.8.8.8:4711', '8.8.8.8'],
  ['[2001:db8::7]:4711', '2001:db8::7'],
  ['[2001:db8::7]', '2001:db8::7'],
  ['[::ffff:8.8.8.8]:80', '8.8.8.8'],
  ['8.8.8.8:4711, 10.0.0.2:80', '8.8.8.8'],
  ['2001:db8::7:80', '2001:db8::7:80'],
  ['8.8.8.8:', '10.0.0.1'],
  ['8.8.8.8:x', '10.0.0.1'],
  ['[8.8.8.8', '10.0.0.1'],
  ['[]:80', '10.0.0.1'],
])('a port that a proxy names is no part of the address: %s', (forwarded, address) => {
  expect(seen('10.0.0.0/8', '10.0.0.1', forwarded)).toBe(address)
})

test('a proxy that names nobody, or no address, is the client itself', () => {
  expect(seen('10.0.0.0/8', '10.0.0.1')).toBe('10.0.0.1')
  expect(seen('10.0.0.0/8', '10.0.0.1', '')).toBe('10.0.0.1')
  expect(seen('10.0.0.0/8', '10.0.0.1', '8.8.8.8, unknown')).toBe('10.0.0.1')
  expect(seen('10.0.0.0/8', '10.0.0.1', '10.0.0.2')).toBe('10.0.0.2')
})

test.each([
  'all',
  'true',
  '*',
  '10.0.0.0/33',
  '10.0.0.0/0',
  '10.0.0/8',
  '::1/129',
  'fe80::1%eth0',
  '1.2.3.4/8/9',
  ',',
])('TRUST_PROXY=%s is refused', (wrong) => {
  const message = `TRUST_PROXY=${wrong} is not valid: write addresses or ranges of your proxies`
  expect(() => loadConfig({ TRUST_PROXY: wrong })).toThrow(message)
  expect(() => loadConfig({ TRUST_PROXY: `10.0.0.1, ${wrong === ',' ? 'x' : wrong}` })).toThrow(
    'TRUST_PROXY=',
  )
})

test('an IPv6 client has all addresses of its /64, an IPv4 client one', () => {
  expect(networkOf('8.8.8.8')).toBe('8.8.8.8')
  expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64')
  expect(networkOf('2001:0db8:1:02::9')).toBe('2001:db8:1:2::/64')
  expect(networkOf('2001:db8::1:0:0:9')).toBe('2001:db8:0:0::/64')
  expect(networkOf('2001:db8:1:3:3:4:5:6')).not.toBe(networkOf('2001:db8:1:2:3:4:5:6'))
  expect(networkOf('::1')).toBe('0:0:0:0::/64')
})
