import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ConfigError, loadConfig, readEnvironment } from '../src/config.ts'
import { OPTIONS } from '../src/config-table.ts'

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    loadConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('configuration', () => {
  test('an empty environment gives the defaults', () => {
    const { config, warnings } = loadConfig({})
    expect(config).toEqual({
      host: '127.0.0.1',
      port: 8080,
      dataDir: './data',
      databaseUrl: undefined,
      databasePoolSize: 10,
      redis: undefined,
      kafka: undefined,
      allowedOrigins: [],
      trustProxy: [],
      rateLimitWrites: 2_000_000,
      rateLimitReads: 2_000_000,
      rateLimitWindowSeconds: 10,
      keysLimit: 100_000,
      historyMaxChanges: 100_000_000,
      historyRetentionMs: undefined,
      maxKeyBytes: 512,
      maxValueBytes: 65_536,
      maxBodyBytes: 5_242_880,
      maxBatchItems: 5_000,
      cacheMaxBytes: 67_108_864,
      tailMaxEntries: 100_000,
      startupTimeoutMs: 60_000,
      shutdownTimeoutMs: 10_000,
      logLevel: 'info',
    })
    expect(warnings).toEqual([])
  })

  test('an empty setting is unset', () => {
    const empty = Object.fromEntries(OPTIONS.map(({ name }) => [name, '  ']))
    expect(loadConfig(empty)).toEqual(loadConfig({}))
  })

  test('the classic names of the database make its address', () => {
    const url = (more: Record<string, string>) => loadConfig({ DB_HOST: 'db', ...more }).config.databaseUrl
    expect(url({})).toBe('postgres://postgres@db:5432/ktpm_db')
    expect(url({ DB_USER: 'u', DB_PASSWORD: 'p@ss/w:rd?', DB_NAME: 'a b', DB_PORT: '5433' })).toBe(
      'postgres://u:p%40ss%2Fw%3Ard%3F@db:5433/a%20b',
    )
    expect(url({ DB_HOST: '::1' })).toContain('@[::1]:5432/')
    expect(loadConfig({ DATABASE_URL: 'postgresql://h/d' }).config.databaseUrl).toBe('postgresql://h/d')
  })

  test('origins and durations', () => {
    const { config } = loadConfig({
      ALLOWED_ORIGINS: ' https://A.example , http://b:81/ ,*',
      HISTORY_RETENTION: '30d',
      SHUTDOWN_TIMEOUT: '1500ms',
    })
    expect(config.allowedOrigins).toEqual(['https://a.example', 'http://b:81', '*'])
    expect(config.historyRetentionMs).toBe(30 * 86_400_000)
    expect(config.shutdownTimeoutMs).toBe(1_500)
  })

  test('all mistakes come at once, each with name, value and remedy', () => {
    const problems = problemsOf({
      PORT: '80a',
      LOG_LEVEL: 'loud',
      MAX_VALUE_BYTES: '0',
      HISTORY_RETENTION: '30',
      ALLOWED_ORIGINS: 'https://ok.example,prices.example/path',
      DATABASE_URL: 'mysql://root:secret@db/x',
      DB_HOST: 'db',
    })
    expect(problems).toHaveLength(7)
    for (const [index, part] of [
      'PORT=80a',
      'ALLOWED_ORIGINS=prices.example/path',
      'LOG_LEVEL=loud',
      'DATABASE_URL',
      'HISTORY_RETENTION=30 ',
      'MAX_VALUE_BYTES=0',
      'DATABASE_URL and DB_HOST',
    ].entries()) {
      expect(problems[index]).toContain(part)
      expect(problems[index]).toMatch(/write|Write|keep/)
    }
    expect(problems.join()).not.toContain('secret')
  })

  test.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '8080.5'],
    ['PORT', '1e3'],
    ['MAX_KEY_BYTES', '513'],
    ['SHUTDOWN_TIMEOUT', '10 years'],
    ['DATABASE_URL', 'postgres://'],
    ['ALLOWED_ORIGINS', 'ftp://a.example'],
    ['REDIS_URL', 'http://redis'],
    ['KAFKA_BROKERS', 'kafka'],
    ['KAFKA_BROKERS', 'one:9092,:9092'],
    ['KAFKA_TOPIC', 'data events'],
    ['KAFKA_SSL', 'yes'],
  ])('refused: %s=%s', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([expect.stringContaining(name)])
  })

  test('the classic names of Redis make its address', () => {
    const redis = (more: Record<string, string>) => loadConfig({ REDIS_HOST: 'r', ...more }).config.redis
    expect(redis({ REDIS_PASSWORD: '' })).toEqual({ url: 'redis://r:6379', ttlSeconds: 600 })
    expect(redis({ REDIS_PASSWORD: 'p@:/', REDIS_PORT: '6380', REDIS_TTL: '5' })).toEqual({
      url: 'redis://:p%40%3A%2F@r:6380',
      ttlSeconds: 5,
    })
    expect(redis({ REDIS_HOST: '::1' })?.url).toBe('redis://[::1]:6379')
    expect(loadConfig({ REDIS_URL: 'rediss://u:p@r:6379/2' }).config.redis?.url).toBe('rediss://u:p@r:6379/2')
    expect(problemsOf({ REDIS_HOST: 'r', REDIS_URL: 'redis://r' })).toEqual([
      expect.stringContaining('REDIS_URL and REDIS_HOST are both set'),
    ])
  })

  test('Kafka: brokers, topic, and a login that is whole', () => {
    const { kafka } = loadConfig({ KAFKA_BROKERS: 'one:9092, [::1]:9093' }).config
    expect(kafka).toEqual({
      brokers: ['one:9092', '[::1]:9093'],
      topic: 'data-events',
      partitions: 3,
      ssl: false,
      sasl: undefined,
    })
    const login = {
      KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256',
      KAFKA_SASL_USERNAME: 'u',
      KAFKA_SASL_PASSWORD: 'p',
    }
    expect(loadConfig({ KAFKA_BROKERS: 'k:9092', KAFKA_SSL: 'true', ...login }).config.kafka).toMatchObject({
      ssl: true,
      sasl: { mechanism: 'SCRAM-SHA-256', username: 'u', password: 'p' },
    })
    expect(problemsOf({ KAFKA_BROKERS: 'k:9092', KAFKA_SASL_USERNAME: 'u' })).toEqual([
      expect.stringContaining('KAFKA_SASL_MECHANISM and KAFKA_SASL_PASSWORD are missing'),
    ])
  })

  test('parts of an address that nobody looks at are named, with what is used instead', () => {
    const about = (environment: Record<string, string>) =>
      loadConfig(environment).warnings.filter((warning) => warning.includes(': set without'))
    const parts = { REDIS_PASSWORD: 'hidden-word', REDIS_PORT: '6380' }
    expect(about({ ...parts, REDIS_URL: 'redis://r' })).toEqual([
      'REDIS_PASSWORD, REDIS_PORT: set without REDIS_HOST, so REDIS_URL decides. Set REDIS_HOST to use that Redis.',
    ])
    expect(about({ REDIS_PASSWORD: 'hidden-word' })).toEqual([
      'REDIS_PASSWORD: set without REDIS_HOST, so no Redis is used. Set REDIS_HOST to use that Redis.',
    ])
    expect(about({ DB_PORT: '5433', DATABASE_URL: 'postgres://d/n' })).toEqual([
      'DB_PORT: set without DB_HOST, so DATABASE_URL decides. Set DB_HOST to use that PostgreSQL.',
    ])
    expect(about({ KAFKA_TOPIC: 't', KAFKA_SSL: 'true' })).toEqual([
      'KAFKA_TOPIC, KAFKA_SSL: set without KAFKA_BROKERS, so no Kafka is used. Set KAFKA_BROKERS to use that Kafka.',
    ])
    const walkthrough = {
      ...{ PORT: '8080', DB_HOST: 'localhost', DB_USER: 'postgres', DB_PASSWORD: 'postgres' },
      ...{ DB_NAME: 'ktpm_db', DB_PORT: '5432', KAFKA_BROKERS: 'localhost:9092', KAFKA_TOPIC: 'data-events' },
      ...{ REDIS_HOST: 'localhost', REDIS_PORT: '6379', REDIS_PASSWORD: '', REDIS_TTL: '600' },
    }
    expect(loadConfig(walkthrough).warnings).toEqual([])
    expect(about({ ...walkthrough, ...parts })).toEqual([])
    // Set and empty is not set.
    expect(about({ REDIS_PASSWORD: '', REDIS_URL: 'redis://r', KAFKA_TOPIC: ' ' })).toEqual([])
  })

  test('what several instances lack, or was probably misspelt, is said', () => {
    const warningsOf = (environment: Record<string, string>) => loadConfig(environment).warnings
    expect(warningsOf({ REDIS_HOST: 'r', KAFKA_BROKERS: 'k:9092', REDIS_PASSWORD: '' })).toEqual([
      expect.stringMatching(/^DATABASE_URL \(or DB_HOST\) is not set: .*Several instances/),
    ])
    expect(warningsOf({ DB_HOST: 'd', REDIS_HOST: 'r', KAFKA_BROKERS: 'k:9092' })).toEqual([])
    expect(warningsOf({ DB_PASSWORD: 'p', DB_USER: 'u' })).toEqual([expect.stringContaining('DB_HOST')])
    for (const [name, meant] of [
      ['DB_HOTS', 'DB_HOST'],
      ['KEY_LIMIT', 'KEYS_LIMIT'],
      ['MAX_VALUES_BYTES', 'MAX_VALUE_BYTES'],
      ['port_', 'PORT'],
    ]) {
      expect(warningsOf({ [name!]: '1' })).toEqual([`${name} is not a setting. Did you mean ${meant}?`])
    }
    expect(
      warningsOf({ PATH: '/bin', HOSTNAME: 'h', HOME: '/', LOGNAME: 'x', npm_config_port: '1' }),
    ).toEqual([])
  })

  test('.env is read, and the environment wins over it', () => {
    const directory = mkdtempSync(join(tmpdir(), 'livekv-env-'))
    const before = process.env.KEYS_LIMIT
    try {
      writeFileSync(join(directory, '.env'), '# comment\nMAX_BATCH_ITEMS="7"\nKEYS_LIMIT=5\nDB_PASSWORD=\n')
      process.env.KEYS_LIMIT = '6'
      const { config } = loadConfig(readEnvironment(directory))
      expect([config.maxBatchItems, config.keysLimit]).toEqual([7, 6])
    } finally {
      if (before === undefined) delete process.env.KEYS_LIMIT
      else process.env.KEYS_LIMIT = before
      rmSync(directory, { recursive: true })
    }
  })
})
