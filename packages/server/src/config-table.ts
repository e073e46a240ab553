/**
 * Every setting of the server, in one place: `config.ts` reads the environment by it, and docs/configuration.md
 * and .env.example are generated from it.
 */
export type Kind =
  | { type: 'text' }
  | { type: 'secret' }
  | { type: 'integer'; min: number; max: number }
  /** `500ms`, `10s`, `5m`, `12h`, `30d`, `2w`. */
  | { type: 'duration'; minMs: number; maxMs: number }
  | { type: 'choice'; choices: readonly string[] }
  | { type: 'origins' }
  | { type: 'url'; schemes: readonly string[] }
  /** `host:port` separated by commas. */
  | { type: 'brokers' }
  | { type: 'topic' }
  /** Addresses and ranges of them, separated by commas. */
  | { type: 'proxies' }

export interface Option {
  name: string
  kind: Kind
  /** As it would be written in the environment; undefined: unset. */
  default?: string
  description: string
}

export interface Section {
  title: string
  intro?: string
  options: readonly Option[]
}

const count = (min: number, max: number): Kind => ({ type: 'integer', min, max })
const MAX_BYTES = 2 ** 30

export const SECTIONS: readonly Section[] = [
  {
    title: 'Server',
    options: [
      {
        name: 'PORT',
        kind: count(0, 65_535),
        default: '8080',
        description: 'TCP port to listen on; 0 takes a free one.',
      },
      {
        name: 'HOST',
        kind: { type: 'text' },
        default: '127.0.0.1',
        description:
          'Address to listen on. The default is reachable from this machine only; `0.0.0.0` is every IPv4 address.',
      },
      {
        name: 'ALLOWED_ORIGINS',
        kind: { type: 'origins' },
        description:
          'Web origins, separated by commas, whose pages may call besides the server’s own, e.g. `https://prices.example`. `*` is every origin. While the server is reached by loopback only (`HOST`, `PUBLISHED_ON`), pages served from loopback may call too, and the hosts named here are accepted in the `Host` header.',
      },
      {
        name: 'PUBLISHED_ON',
        kind: { type: 'text' },
        description:
          'Address at which others reach the server, where that is not `HOST`: in a container that listens on `0.0.0.0` and whose port is published on `127.0.0.1`, write `127.0.0.1`, so that web sites whose name leads to this machine are refused as they are without the container. `compose.yaml` passes `BIND` on. Unset: `HOST`.',
      },
      {
        name: 'TRUST_PROXY',
        kind: { type: 'proxies' },
        description:
          'Proxies whose `X-Forwarded-For` is believed: addresses and ranges separated by commas, e.g. `172.18.0.0/16`; `loopback`, `linklocal` and `uniquelocal` name the usual ones. A client is then the right-most address that is none of them. Unset: whoever connects is the client, so that nobody can pretend to be another one. Set it behind a proxy, or all its clients share one rate limit.',
      },
      {
        name: 'STARTUP_TIMEOUT',
        kind: { type: 'duration', minMs: 0, maxMs: 3_600_000 },
        default: '60s',
        description: 'How long a starting server waits for its database before it gives up.',
      },
      {
        name: 'SHUTDOWN_TIMEOUT',
        kind: { type: 'duration', minMs: 0, maxMs: 600_000 },
        default: '10s',
        description:
          'How long a stopping server may take. After six tenths of it a database that does not answer is given up: writes under way are answered with `STORE_FAILED` or `COMMIT_UNKNOWN`; after eight tenths requests under way are cut off; the rest is for what is still to be sent and written. The exit code is 0. What hangs all the same is ended 5 s later, with exit code 1.',
      },
      {
        name: 'LOG_LEVEL',
        kind: { type: 'choice', choices: ['debug', 'info', 'warn', 'error', 'silent'] },
        default: 'info',
        description: 'Least severe level that is logged. Values and secrets are never logged.',
      },
    ],
  },
  {
    title: 'Store',
    intro:
      'Without `DATABASE_URL` or `DB_HOST` the server runs an embedded PostgreSQL in `DATA_DIR` and needs nothing else.',
    options: [
      {
        name: 'DATA_DIR',
        kind: { type: 'text' },
        default: './data',
        description:
          'Directory of the embedded store, relative to the working directory. One process at a time.',
      },
      {
        name: 'DATABASE_URL',
        kind: { type: 'url', schemes: ['postgres:', 'postgresql:'] },
        description:
          'PostgreSQL (15 or later) to use instead of the embedded store: `postgres://user:password@host:5432/name`. Not together with `DB_HOST`. Encryption as for psql: `?sslmode=require`, `verify-ca` or `verify-full`, with `&sslrootcert=/path/to/ca.pem` for an authority of your own; without either there is none.',
      },
      {
        name: 'DB_HOST',
        kind: { type: 'text' },
        description: 'Host of a PostgreSQL to use, as an alternative to `DATABASE_URL`.',
      },
      { name: 'DB_PORT', kind: count(1, 65_535), default: '5432', description: 'Its port.' },
      { name: 'DB_USER', kind: { type: 'text' }, default: 'postgres', description: 'Its user.' },
      { name: 'DB_PASSWORD', kind: { type: 'secret' }, description: 'The password of that user.' },
      { name: 'DB_NAME', kind: { type: 'text' }, default: 'ktpm_db', description: 'The database’s name.' },
      {
        name: 'DB_POOL_SIZE',
        kind: count(2, 200),
        default: '10',
        description: 'Most connections of this instance to PostgreSQL. The embedded store has one session.',
      },
    ],
  },
  {
    title: 'History',
    options: [
      {
        name: 'HISTORY_MAX_CHANGES',
        kind: count(1, 1_000_000_000_000),
        default: '100000000',
        description: 'How many changes the log keeps; older ones go. Latest values always stay.',
      },
      {
        name: 'HISTORY_RETENTION',
        kind: { type: 'duration', minMs: 1_000, maxMs: 100 * 365 * 86_400_000 },
        description:
          'How long a change is kept at least, by commit time, before `HISTORY_MAX_CHANGES` may remove it, e.g. `30d`. Unset: no floor.',
      },
    ],
  },
  {
    title: 'Limits',
    options: [
      {
        name: 'RATE_LIMIT_WRITES',
        kind: count(0, 1_000_000_000),
        default: '2000000',
        description:
          'Writes that one client address may make in a window (`RATE_LIMIT_WINDOW`), on all instances together; each item of a batch is one. Past it the answer is 429 `RATE_LIMITED`. 0: no limit. The default is twice what the benchmarks write and stops only what has gone wild; for clients you do not know, a few hundred are plenty.',
      },
      {
        name: 'RATE_LIMIT_READS',
        kind: count(0, 1_000_000_000),
        default: '2000000',
        description:
          'The same for reads: requests for values, keys, history and presence, and watches that begin. What watchers are told is not counted. For clients you do not know, a few thousand are plenty.',
      },
      {
        name: 'RATE_LIMIT_WINDOW',
        kind: { type: 'duration', minMs: 1_000, maxMs: 86_400_000 },
        default: '10s',
        description:
          'How long such a window is, from its first request on, in whole seconds. The same on all instances.',
      },
      {
        name: 'KEYS_LIMIT',
        kind: count(1, 10_000_000),
        default: '100000',
        description: 'Most keys that `GET /keys` lists; past it the answer says `truncated`.',
      },
      {
        name: 'MAX_KEY_BYTES',
        kind: count(1, 512),
        default: '512',
        description: 'Longest key, in bytes of UTF-8.',
      },
      {
        name: 'MAX_VALUE_BYTES',
        kind: count(1, 16 * 2 ** 20),
        default: '65536',
        description: 'Largest value, in bytes of its JSON text.',
      },
      {
        name: 'MAX_BODY_BYTES',
        kind: count(1_024, MAX_BYTES),
        default: '5242880',
        description: 'Largest request body, in bytes, after decompression.',
      },
      {
        name: 'MAX_BATCH_ITEMS',
        kind: count(1, 100_000),
        default: '5000',
        description: 'Most writes in one batch.',
      },
      {
        name: 'CACHE_MAX_BYTES',
        kind: count(0, 64 * MAX_BYTES),
        default: '67108864',
        description:
          'Size of the cache of values in an instance’s memory (with Redis, of what stands in for it while it is away), and once more of the values of recently changed keys (`TAIL_MAX_ENTRIES`): together up to twice this. Characters are counted, and something for each value besides; text with characters beyond Latin-1 takes two bytes for each.',
      },
      {
        name: 'TAIL_MAX_ENTRIES',
        kind: count(100, 100_000_000),
        default: '100000',
        description: 'How many recently changed keys an instance keeps in memory to check its cache by.',
      },
    ],
  },
  {
    title: 'Redis and Kafka',
    intro:
      'One instance needs neither. Several instances on one PostgreSQL need both: Redis shares the cache, the rate limits and the counts of watchers, Kafka brings each change to the other instances at once.',
    options: [
      {
        name: 'REDIS_URL',
        kind: { type: 'url', schemes: ['redis:', 'rediss:'] },
        description:
          'Redis to use: `redis://user:password@host:6379/0`, or `rediss://` for TLS (a certificate of your own authority: `NODE_EXTRA_CA_CERTS=file`). Not together with `REDIS_HOST`.',
      },
      {
        name: 'REDIS_HOST',
        kind: { type: 'text' },
        description: 'Host of a Redis to use, as an alternative to `REDIS_URL`.',
      },
      { name: 'REDIS_PORT', kind: count(1, 65_535), default: '6379', description: 'Its port.' },
      { name: 'REDIS_PASSWORD', kind: { type: 'secret' }, description: 'Its password.' },
      {
        name: 'REDIS_TTL',
        kind: count(1, 31_536_000),
        default: '600',
        description: 'Seconds a value stays in Redis after it was last put there.',
      },
      {
        name: 'KAFKA_BROKERS',
        kind: { type: 'brokers' },
        description: 'Kafka brokers to use, `host:port` separated by commas.',
      },
      {
        name: 'KAFKA_TOPIC',
        kind: { type: 'topic' },
        default: 'data-events',
        description: 'Topic of the changes; made when it is missing.',
      },
      {
        name: 'KAFKA_PARTITIONS',
        kind: count(1, 1_000),
        default: '3',
        description: 'Partitions of the topic when it is made. A topic that exists is used as it is.',
      },
      {
        name: 'KAFKA_SSL',
        kind: { type: 'choice', choices: ['true', 'false'] },
        default: 'false',
        description: 'Whether the brokers are spoken to over TLS.',
      },
      {
        name: 'KAFKA_SASL_MECHANISM',
        kind: { type: 'choice', choices: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] },
        description: 'How to log in at the brokers; unset: no login.',
      },
      { name: 'KAFKA_SASL_USERNAME', kind: { type: 'text' }, description: 'The user to log in as.' },
      { name: 'KAFKA_SASL_PASSWORD', kind: { type: 'secret' }, description: 'The password of that user.' },
    ],
  },
]

export const OPTIONS: readonly Option[] = SECTIONS.flatMap((section) => section.options)
