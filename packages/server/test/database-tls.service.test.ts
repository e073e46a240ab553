import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { QueryTypes } from 'sequelize'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import { Database } from '../src/store/database.ts'
import { openStore } from '../src/store/open-store.ts'
import { makeCertificates } from './services/certificates.ts'
import { type PostgresServer, startPostgres } from './services/postgres.ts'

/** The certificate is for 127.0.0.1 and localhost, not for this address. */
const OTHER_ADDRESS = '127.0.0.2'
const log = pino({ level: 'silent' })

let server: PostgresServer
let folder: string
let otherCa: string

beforeAll(async () => {
  server = await startPostgres({
    tls: true,
    settings: { listen_addresses: `127.0.0.1,${OTHER_ADDRESS}` },
  })
  folder = await mkdtemp(join(tmpdir(), 'livekv-tls-'))
  otherCa = makeCertificates(folder).caFile
})
afterAll(async () => {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

function urlWith(parameters: Record<string, string>, host = '127.0.0.1'): string {
  const url = new URL(server.url)
  url.hostname = host
  url.search = new URLSearchParams(parameters).toString()
  return url.href
}

async function open(url: string) {
  const { config } = loadConfig({ DATABASE_URL: url, STARTUP_TIMEOUT: '1h' })
  const store = await openStore(config, log)
  await store.close()
}

/** Whether the sessions of the pool are encrypted, as the server sees it. */
async function areEncrypted(url: string): Promise<boolean> {
  const database = new Database({ url, poolSize: 2 }, log)
  try {
    const rows = await database.sequelize.query<{ ssl: boolean }>(
      `select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'livekv'`,
      { type: QueryTypes.SELECT },
    )
    return rows.length > 0 && rows.every(({ ssl }) => ssl)
  } finally {
    await database.close()
  }
}

describe('PostgreSQL over TLS', () => {
  const ca = () => server.caFile!
  const accepted: [string, () => string][] = [
    ['require', () => urlWith({ sslmode: 'require' })],
    [
      'require at an address the certificate is not for',
      () => urlWith({ sslmode: 'require' }, OTHER_ADDRESS),
    ],
    ['require with the CA', () => urlWith({ sslmode: 'require', sslrootcert: ca() }, OTHER_ADDRESS)],
    [
      'verify-ca at an address the certificate is not for',
      () => urlWith({ sslmode: 'verify-ca', sslrootcert: ca() }, OTHER_ADDRESS),
    ],
    ['verify-full', () => urlWith({ sslmode: 'verify-full', sslrootcert: ca() })],
    ['verify-full at a name', () => urlWith({ sslmode: 'verify-full', sslrootcert: ca() }, 'localhost')],
    ['a CA alone, which is verify-full', () => urlWith({ sslrootcert: ca() })],
  ]
  test.each(accepted)('%s', async (_name, url) => {
    await open(url())
    expect(await areEncrypted(url())).toBe(true)
  })

  const refused: [string, () => string, RegExp][] = [
    ['verify-full without the CA', () => urlWith({ sslmode: 'verify-full' }), /certificate is not accepted/],
    [
      'verify-full at an address the certificate is not for',
      () => urlWith({ sslmode: 'verify-full', sslrootcert: ca() }, OTHER_ADDRESS),
      /certificate is not accepted.*verify-ca/,
    ],
    [
      'a CA alone at an address the certificate is not for',
      () => urlWith({ sslrootcert: ca() }, OTHER_ADDRESS),
      /certificate is not accepted/,
    ],
    [
      'verify-ca with another CA',
      () => urlWith({ sslmode: 'verify-ca', sslrootcert: otherCa }),
      /certificate is not accepted/,
    ],
    [
      'require with another CA',
      () => urlWith({ sslmode: 'require', sslrootcert: otherCa }),
      /certificate is not accepted/,
    ],
    ['no TLS', () => urlWith({}), /no encryption/],
    ['TLS turned off', () => urlWith({ sslmode: 'disable' }), /no encryption/],
  ]
  // Each would otherwise wait for an hour.
  test.each(refused)('refused at once: %s', async (_name, url, message) => {
    await expect(open(url())).rejects.toThrow(message)
  })
})
