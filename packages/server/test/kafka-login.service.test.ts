import { readFile } from 'node:fs/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type KafkaServer, startKafka } from './services/kafka.ts'
import { KafkaBuses, revisionsOf } from './support/kafka-buses.ts'

/** As managed services have it: TLS, and a login by user and password. */
describe('a Kafka that asks who comes', () => {
  const login = { username: 'livekv', password: 'correct-horse' }
  const trusted = getCACertificates('default')
  let server: KafkaServer
  let buses: KafkaBuses

  beforeAll(async () => {
    server = await startKafka({ sasl: login, ssl: true })
  })
  afterEach(async () => {
    await buses?.closeAll()
    setDefaultCACertificates(trusted)
  })
  afterAll(async () => {
    await server?.stop()
  })
  /** What NODE_EXTRA_CA_CERTS does for a process. */
  const trust = async () => setDefaultCACertificates([...trusted, await readFile(server.caFile!, 'utf8')])

  test.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)('%s over TLS', async (mechanism) => {
    await trust()
    buses = new KafkaBuses(server.brokers)
    const settings = { ssl: true, sasl: { mechanism, ...login } }
    const [first, second] = [await buses.start(settings), await buses.start(settings)]
    const changes = buses.changes(20)
    first.bus.publish(changes)
    await expect.poll(() => revisionsOf(second.heard)).toEqual(revisionsOf(changes))
    expect([first.bus.problem, first.warnings]).toEqual([null, []])
  })

  test('a wrong password is named as the problem, once, and not shown', async () => {
    await trust()
    buses = new KafkaBuses(server.brokers)
    const sasl = { mechanism: 'SCRAM-SHA-256', ...login, password: 'battery-staple' } as const
    const { bus, warnings } = await buses.start({ ssl: true, sasl })
    await expect.poll(() => bus.problem).toMatch(/authentication/i)
    await expect.poll(() => bus.stats().restarts).toBeGreaterThan(1)
    expect(warnings).toHaveLength(1)
    expect(`${warnings} ${bus.problem}`).not.toContain('battery-staple')
  })

  test('a certificate that is not trusted is refused', async () => {
    buses = new KafkaBuses(server.brokers)
    const sasl = { mechanism: 'PLAIN', ...login } as const
    const { bus } = await buses.start({ ssl: true, sasl })
    await expect.poll(() => bus.problem).toMatch(/certificate/)
  })
})
