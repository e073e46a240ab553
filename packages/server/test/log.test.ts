import { LiveKVError } from '@livekv/protocol'
import pg from 'pg'
import { ErrorReply } from 'redis'
import { DatabaseError } from 'sequelize'
import { expect, test } from 'vitest'
import { errorText, withoutAccounts } from '../src/error-text.ts'
import { describeError, type Log, logTold } from '../src/log.ts'

function dataException(message: string): pg.DatabaseError {
  const error = new pg.DatabaseError(message, 0, 'error')
  error.severity = 'ERROR'
  error.code = '22P02'
  error.detail = 'Token "hidden-value" is invalid.'
  error.where = 'JSON data, line 1: hidden-value'
  return error
}

test('an error of the database is told without the value it is about', () => {
  const error = dataException('invalid input syntax for type integer: "an "inner" hidden-value"')
  const wrapped = new DatabaseError(Object.assign(error, { sql: 'insert', parameters: ['hidden-value'] }))
  for (const each of [error, wrapped, new LiveKVError('STORE_FAILED', 'failed', {}, error)]) {
    expect(JSON.stringify(describeError(each))).not.toContain('hidden-value')
    expect(JSON.stringify(describeError(each))).toContain('invalid input syntax')
  }
})

test('an error that the client was told: the reason goes to the log without values, what the client sent does not', () => {
  const lines: unknown[][] = []
  const note = (...line: unknown[]) => lines.push(line)
  const log = { warn: note, debug: note } as unknown as Log
  const error = dataException('invalid input syntax for type integer: "hidden-value"')
  const wrapped = new DatabaseError(Object.assign(error, { sql: 'insert', parameters: ['hidden-value'] }))
  logTold(log, { path: '/keys' }, new LiveKVError('STORE_FAILED', 'not read', {}, wrapped))
  logTold(log, { path: '/add' }, new LiveKVError('INVALID_REQUEST', '"hidden-value" is no number'))
  expect(lines).toEqual([
    [
      {
        path: '/keys',
        code: 'STORE_FAILED',
        reason: 'invalid input syntax for type integer: "…"',
      },
      'not read',
    ],
    [{ path: '/add', code: 'INVALID_REQUEST' }, 'a request was refused'],
  ])
})

test.each([
  [
    "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'hidden-word' ",
    "ERR unknown command 'HELLO'",
  ],
  [
    'ERR unknown command `EVALSHA`, with args beginning with: `a`, `hidden-word`, ',
    'ERR unknown command `EVALSHA`',
  ],
  [
    "ERR unknown subcommand 'SETINFO'. Try CLIENT HELP.",
    "ERR unknown subcommand 'SETINFO'. Try CLIENT HELP.",
  ],
  [`ERR Syntax error near 'a hidden-word'`, 'ERR Syntax error near …'],
  [`ERR bad 'SET' of "k" to 'hidden-word'`, "ERR bad 'SET' of … to …"],
  ['NOAUTH Authentication required.\r\nhidden-word', 'NOAUTH Authentication required.'],
])('Redis is told without what it repeats of a command: %s', (said, told) => {
  const error = new ErrorReply(said)
  expect(errorText(error)).toBe(told)
  expect(JSON.stringify(describeError(new Error('wrapped', { cause: error })))).not.toContain('hidden-word')
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
