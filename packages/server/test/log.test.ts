import { LiveKVError } from '@livekv/protocol'
import pg from 'pg'
import { DatabaseError } from 'sequelize'
import { expect, test } from 'vitest'
import { describeError, withoutAccounts } from '../src/log.ts'

function dataException(message: string): pg.DatabaseError {
  const error = new pg.DatabaseError(message, 0, 'error')
  error.severity = 'ERROR'
  error.code = '22P02'
  error.detail = 'Token "hidden-value" is invalid.'
  error.where = 'JSON data, line 1: hidden-value'
  return error
}

test('an error of the database is told without the value it is about', () => {
  const error = dataException('invalid input syntax for type integer: "hidden-value"')
  const wrapped = new DatabaseError(Object.assign(error, { sql: 'insert', parameters: ['hidden-value'] }))
  for (const each of [error, wrapped, new LiveKVError('STORE_FAILED', 'failed', {}, error)]) {
    expect(JSON.stringify(describeError(each))).not.toContain('hidden-value')
    expect(JSON.stringify(describeError(each))).toContain('invalid input syntax')
  }
})

test('what names a table is told', () => {
  const error = Object.assign(dataException('relation "entries" does not exist'), { code: '42P01' })
  expect(JSON.stringify(describeError(error))).toContain('entries')
})

test('addresses are told without user and password', () => {
  const text =
    'cannot reach postgres://me:p@ss%2F@db.example:5432/name, rediss://:word@[::1]:1 or https://a.example'
  expect(withoutAccounts(text)).toBe(
    'cannot reach postgres://…@db.example:5432/name, rediss://…@[::1]:1 or https://a.example',
  )
  expect(JSON.stringify(describeError(new Error(text)))).not.toContain('word')
})
