import { describe, expect, test } from 'vitest'
import { StartError } from '../src/start-error.ts'
import { databaseAddress } from '../src/store/database-address.ts'

const sslOf = (query: string) => databaseAddress(`postgres://me:hidden-secret@db:6432/prices?${query}`).ssl

function refusal(query: string): string {
  try {
    sslOf(query)
  } catch (error) {
    expect(error).toBeInstanceOf(StartError)
    return (error as Error).message
  }
  return 'accepted'
}

test('an address says where and as whom', () => {
  expect(databaseAddress('postgres://me:secret@db:6432/prices')).toEqual({
    host: 'db',
    port: 6432,
    user: 'me',
    password: 'secret',
    database: 'prices',
    ssl: false,
  })
})

describe('TLS is asked for or not, and never left out by mistake', () => {
  test.each([
    ['', false],
    ['ssl=', false],
    ['ssl=false', false],
    ['ssl=0', false],
    ['sslmode=disable', false],
    ['ssl=true', {}],
    ['ssl=1', {}],
    ['sslmode=require', { rejectUnauthorized: false }],
    ['sslmode=verify-full', {}],
    ['sslrootcert=system', {}],
    ['sslmode=verify-full&sslrootcert=system', {}],
  ])('%s', (query, expected) => {
    expect(sslOf(query)).toEqual(expected)
  })

  test.each([
    ['sslmode=require&sslrootcert=system', /sslrootcert=system.*sslmode=verify-full/],
    ['sslmode=verify-ca&sslrootcert=system', /sslrootcert=system.*sslmode=verify-full/],
    ['ssl=yes', /ssl=true or ssl=false/],
    ['ssl=on', /ssl=true or ssl=false/],
    ['ssl=require', /ssl=true or ssl=false.*sslmode=require/],
    ['ssl=TRUE', /ssl=true or ssl=false/],
    ['sslmode=require&ssl=no', /ssl=true or ssl=false/],
    ['sslMode=require', /sslMode, .*: write sslmode\./],
    ['ssl_mode=require', /ssl_mode, .*: write sslmode\./],
    ['ssl-mode=REQUIRED', /ssl-mode, .*: write sslmode\./],
    ['SSL=true', /SSL, .*: write ssl\./],
    ['sslmode=require&sslRootCert=ca.pem', /sslRootCert, .*: write sslrootcert\./],
    ['sslmode=on', /disable, require, verify-ca or verify-full/],
    ['sslmode=prefer', /sslmode=require/],
  ])('refused: %s', (query, message) => {
    expect(refusal(query)).toMatch(message)
    expect(refusal(query)).not.toContain('hidden-secret')
  })
})
