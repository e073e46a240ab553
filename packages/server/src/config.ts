import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { OPTIONS, type Option } from './config-table.ts'
import { isProxyRange } from './limits/proxy-ranges.ts'

/** Filled by the configuration table; every other file takes its settings from here. */
export interface Config {
  host: string
  port: number
  dataDir: string
  /** Set: that PostgreSQL. Unset: the embedded one in `dataDir`. */
  databaseUrl: string | undefined
  databasePoolSize: number
  /** Unset: the cache is in this process. */
  redis: RedisConfig | undefined
  /** Unset: there are no other instances. */
  kafka: KafkaConfig | undefined
  /** Origins besides the server's own that browsers may call from. */
  allowedOrigins: string[]
  /** Addresses and ranges whose `X-Forwarded-For` is believed. */
  trustProxy: string[]
  /** Per client address in a window; 0: no limit. */
  rateLimitWrites: number
  rateLimitReads: number
  rateLimitWindowSeconds: number
  keysLimit: number
  historyMaxChanges: number
  historyRetentionMs: number | undefined
  maxKeyBytes: number
  maxValueBytes: number
  maxBodyBytes: number
  maxBatchItems: number
  /** Of the cache, and of the Tail's values once more; in characters. */
  cacheMaxBytes: number
  tailMaxEntries: number
  startupTimeoutMs: number
  shutdownTimeoutMs: number
  logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
}

export interface RedisConfig {
  /** `redis:` or `rediss:`, with user and password where there are any. */
  url: string
  ttlSeconds: number
}

export interface KafkaConfig {
  /** Each `host:port`. */
  brokers: string[]
  topic: string
  /** Of the topic, when it has to be made. */
  partitions: number
  ssl: boolean
  sasl:
    | { mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; username: string; password: string }
    | undefined
}

/** Every mistake found, one a line, each naming the setting, its value and what to write instead. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`The configuration has ${problems.length === 1 ? 'a mistake' : `${problems.length} mistakes`}:
${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

type Environment = Readonly<Record<string, string | undefined>>

/** The environment over the `.env` of the directory; an empty setting is unset in either. */
export function readEnvironment(directory = process.cwd()): Environment {
  const file = resolve(directory, '.env')
  const fromFile = existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}
  return { ...fromFile, ...process.env }
}

/** Throws ConfigError with all mistakes; `warnings` are for the log. */
export function loadConfig(environment: Environment): { config: Config; warnings: string[] } {
  const problems: string[] = []
  const set = (name: string) => environment[name]?.trim() || undefined
  const parsed = new Map<string, string | number | string[] | undefined>()
  for (const option of OPTIONS) {
    try {
      const text = set(option.name) ?? option.default
      parsed.set(option.name, text === undefined ? undefined : parse(option, text))
    } catch (error) {
      problems.push((error as Error).message)
    }
  }
  const text = (name: string) => parsed.get(name) as string | undefined
  const number = (name: string) => parsed.get(name) as number

  if (set('DATABASE_URL') && set('DB_HOST')) {
    problems.push('DATABASE_URL and DB_HOST are both set: keep the one that names the database you mean.')
  }
  if (set('REDIS_URL') && set('REDIS_HOST')) {
    problems.push('REDIS_URL and REDIS_HOST are both set: keep the one that names the Redis you mean.')
  }
  const sasl = ['KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD']
  const missingSasl = sasl.filter((name) => !set(name))
  if (missingSasl.length > 0 && missingSasl.length < sasl.length) {
    problems.push(
      `${sasl.join(', ')} go together: ${missingSasl.join(' and ')} ${missingSasl.length > 1 ? 'are' : 'is'} missing.`,
    )
  }
  if (problems.length > 0) throw new ConfigError(problems)

  const config: Config = {
    host: text('HOST')!,
    port: number('PORT'),
    dataDir: text('DATA_DIR')!,
    databaseUrl: text('DATABASE_URL') ?? databaseUrlOfParts(text, number),
    databasePoolSize: number('DB_POOL_SIZE'),
    redis: redisConfig(text, number),
    kafka: kafkaConfig(parsed),
    allowedOrigins: (parsed.get('ALLOWED_ORIGINS') as string[] | undefined) ?? [],
    trustProxy: (parsed.get('TRUST_PROXY') as string[] | undefined) ?? [],
    rateLimitWrites: number('RATE_LIMIT_WRITES'),
    rateLimitReads: number('RATE_LIMIT_READS'),
    rateLimitWindowSeconds: Math.round(number('RATE_LIMIT_WINDOW') / 1_000),
    keysLimit: number('KEYS_LIMIT'),
    historyMaxChanges: number('HISTORY_MAX_CHANGES'),
    historyRetentionMs: parsed.get('HISTORY_RETENTION') as number | undefined,
    maxKeyBytes: number('MAX_KEY_BYTES'),
    maxValueBytes: number('MAX_VALUE_BYTES'),
    maxBodyBytes: number('MAX_BODY_BYTES'),
    maxBatchItems: number('MAX_BATCH_ITEMS'),
    cacheMaxBytes: number('CACHE_MAX_BYTES'),
    tailMaxEntries: number('TAIL_MAX_ENTRIES'),
    startupTimeoutMs: number('STARTUP_TIMEOUT'),
    shutdownTimeoutMs: number('SHUTDOWN_TIMEOUT'),
    logLevel: text('LOG_LEVEL') as Config['logLevel'],
  }
  return { config, warnings: warningsOf(environment, set, config) }
}

function databaseUrlOfParts(
  text: (name: string) => string | undefined,
  number: (name: string) => number,
): string | undefined {
  const host = text('DB_HOST')
  if (host === undefined) return undefined
  const user = encodeURIComponent(text('DB_USER')!)
  const password = text('DB_PASSWORD')
  const account = password === undefined ? user : `${user}:${encodeURIComponent(password)}`
  return `postgres://${account}@${urlHost(host)}:${number('DB_PORT')}/${encodeURIComponent(text('DB_NAME')!)}`
}

function redisConfig(
  text: (name: string) => string | undefined,
  number: (name: string) => number,
): RedisConfig | undefined {
  const host = text('REDIS_HOST')
  const password = text('REDIS_PASSWORD')
  const account = password === undefined ? '' : `:${encodeURIComponent(password)}@`
  const fromParts = host && `redis://${account}${urlHost(host)}:${number('REDIS_PORT')}`
  const url = text('REDIS_URL') ?? fromParts
  return url ? { url, ttlSeconds: number('REDIS_TTL') } : undefined
}

function kafkaConfig(parsed: ReadonlyMap<string, unknown>): KafkaConfig | undefined {
  const brokers = parsed.get('KAFKA_BROKERS') as string[] | undefined
  if (!brokers) return undefined
  const mechanism = parsed.get('KAFKA_SASL_MECHANISM') as
    | NonNullable<KafkaConfig['sasl']>['mechanism']
    | undefined
  return {
    brokers,
    topic: parsed.get('KAFKA_TOPIC') as string,
    partitions: parsed.get('KAFKA_PARTITIONS') as number,
    ssl: parsed.get('KAFKA_SSL') === 'true',
    sasl: mechanism && {
      mechanism,
      username: parsed.get('KAFKA_SASL_USERNAME') as string,
      password: parsed.get('KAFKA_SASL_PASSWORD') as string,
    },
  }
}

function urlHost(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

function parse(option: Option, text: string): string | number | string[] {
  const { name, kind } = option
  switch (kind.type) {
    case 'text':
    case 'secret':
      return text
    case 'integer': {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
      if (!(value >= kind.min && value <= kind.max)) {
        throw mistake(option, text, `a whole number from ${kind.min} to ${kind.max}`)
      }
      return value
    }
    case 'duration': {
      const ms = parseDuration(text)
      if (ms === undefined || ms < kind.minMs || ms > kind.maxMs) {
        throw mistake(
          option,
          text,
          `a number and its unit (ms, s, m, h, d or w), from ${kind.minMs}ms to ${kind.maxMs}ms`,
        )
      }
      return ms
    }
    case 'choice':
      if (!kind.choices.includes(text)) throw mistake(option, text, `one of ${kind.choices.join(', ')}`)
      return text
    case 'url': {
      const url = URL.parse(text)
      if (!url || !kind.schemes.includes(url.protocol) || url.hostname === '') {
        // The value may hold a password: it is not shown.
        throw new Error(
          `${name} is not a URL that starts with ${kind.schemes.map((scheme) => `${scheme}//`).join(' or ')} and names a host. Write ${kind.schemes[0]}//user:password@host:port/${kind.schemes.includes('redis:') ? '0' : 'name'}, with special characters of the password percent-encoded, or leave it empty.`,
        )
      }
      return text
    }
    case 'proxies': {
      const ranges = listOf(text)
      const wrong = ranges.find((range) => !isProxyRange(range))
      if (ranges.length === 0 || wrong !== undefined) {
        throw mistake(
          option,
          wrong ?? text,
          'addresses or ranges of your proxies such as 172.18.0.0/16, separated by commas, or loopback, linklocal, uniquelocal',
        )
      }
      return ranges
    }
    case 'brokers': {
      const brokers = listOf(text)
      const wrong = brokers.find((broker) => !/^([^\s:/@[\]]+|\[[0-9a-f:.]+\]):\d{1,5}$/i.test(broker))
      if (brokers.length === 0 || wrong !== undefined) {
        throw mistake(option, wrong ?? text, 'host:port, several of them separated by commas')
      }
      return brokers
    }
    case 'topic':
      // What Kafka allows.
      if (!/^[\w.-]{1,249}$/.test(text) || text === '.' || text === '..') {
        throw mistake(option, text, 'up to 249 letters, digits, dots, underscores and hyphens')
      }
      return text
    case 'origins':
      return listOf(text).map((part) => {
        const url = part === '*' ? undefined : URL.parse(part)
        if (
          part !== '*' &&
          (!url || !/^https?:$/.test(url.protocol) || !/^https?:\/\/[^/]+\/?$/i.test(part))
        ) {
          throw mistake(option, part, 'a list of origins such as https://prices.example, without a path')
        }
        return url ? url.origin : part
      })
  }
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function mistake(option: Option, text: string, wanted: string): Error {
  // What stands before an @ may be a password.
  const safe = text.replace(/[^\s,]*@/g, '…@')
  const shown = safe.length > 80 ? `${safe.slice(0, 80)}…` : safe
  const instead = option.default === undefined ? '' : ` (default ${option.default})`
  return new Error(`${option.name}=${shown} is not valid: write ${wanted}, or leave it empty${instead}.`)
}

const UNITS_MS: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,12})\s*(ms|s|m|h|d|w)$/.exec(text)
  return match ? Number(match[1]) * UNITS_MS[match[2]!]! : undefined
}

/** Settings that say nothing without another one. */
const PARTS = [
  {
    server: 'PostgreSQL',
    names: ['DB_USER', 'DB_PASSWORD', 'DB_NAME', 'DB_PORT'],
    needed: 'DB_HOST',
    url: 'DATABASE_URL',
    without: 'the embedded store is used',
  },
  {
    server: 'Redis',
    names: ['REDIS_PASSWORD', 'REDIS_PORT'],
    needed: 'REDIS_HOST',
    url: 'REDIS_URL',
    without: 'no Redis is used',
  },
  {
    server: 'Kafka',
    names: OPTIONS.map(({ name }) => name).filter((name) => /^KAFKA_(?!BROKERS$)/.test(name)),
    needed: 'KAFKA_BROKERS',
    url: undefined,
    without: 'no Kafka is used',
  },
]

function warningsOf(
  environment: Environment,
  set: (name: string) => string | undefined,
  config: Config,
): string[] {
  const warnings: string[] = []
  const cluster = [
    { name: 'DATABASE_URL (or DB_HOST)', isSet: config.databaseUrl !== undefined },
    { name: 'REDIS_URL (or REDIS_HOST)', isSet: config.redis !== undefined },
    { name: 'KAFKA_BROKERS', isSet: config.kafka !== undefined },
  ]
  const missing = cluster.filter(({ isSet }) => !isSet).map(({ name }) => name)
  if (missing.length > 0 && missing.length < cluster.length) {
    warnings.push(
      `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} not set: enough for one instance. Several instances need a common PostgreSQL, Redis and Kafka; set ${missing.length > 1 ? 'them' : 'it'} before you start a second one.`,
    )
  }
  for (const { server, names, needed, url, without } of PARTS) {
    const parts = names.filter((name) => set(name))
    if (parts.length === 0 || set(needed)) continue
    warnings.push(
      `${parts.join(', ')}: set without ${needed}, so ${url && set(url) ? `${url} decides` : without}. Set ${needed} to use that ${server}.`,
    )
  }
  const known = new Set(OPTIONS.map(({ name }) => name))
  for (const name of Object.keys(environment)) {
    if (known.has(name) || !set(name) || name.length < 5) continue
    const meant = OPTIONS.find((option) => oneEditApart(name, option.name))
    if (meant) warnings.push(`${name} is not a setting. Did you mean ${meant.name}?`)
  }
  return warnings
}

/** One character changed, added, dropped, or two neighbours swapped, letter case aside. */
function oneEditApart(a: string, b: string): boolean {
  const [x, y] = [a.toUpperCase(), b.toUpperCase()]
  let start = 0
  while (start < x.length && x[start] === y[start]) start++
  let end = 0
  while (end < Math.min(x.length, y.length) - start && x.at(-1 - end) === y.at(-1 - end)) end++
  const [left, right] = [x.slice(start, x.length - end), y.slice(start, y.length - end)]
  if (left.length <= 1 && right.length <= 1) return true
  return left.length === 2 && right.length === 2 && left[0] === right[1] && left[1] === right[0]
}
