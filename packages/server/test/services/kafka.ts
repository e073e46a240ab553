import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Admin } from '@platformatic/kafka'
import { makeCertificates } from './certificates.ts'
import { freePort } from './free-port.ts'
import { provideKafka } from './kafka-jars.ts'
import { makeServiceFolder, removeServiceFolder } from './service-folder.ts'
import { ServiceProcess } from './service-process.ts'

const CONNECT_TIMEOUT_MS = 5_000

/** A small broker: one that is idle costs little of a machine that runs much else. */
const HEAP = '-Xmx320m'
const JAVA_OPTIONS = [HEAP, '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn']

const SCRAM_MECHANISMS = ['SCRAM-SHA-256', 'SCRAM-SHA-512']

export interface KafkaOptions {
  /** Clients have to log in as this user, by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. */
  sasl?: { username: string; password: string }
  /** Clients come over TLS only; the certificate is for 127.0.0.1 and localhost. */
  ssl?: boolean
  /**
   * Further listeners of 127.0.0.1 without a login. Each tells its clients another port than its own, that of a proxy
   * in front of it: clients come to a broker by the address it gives them, whatever they began with.
   */
  ways?: readonly { port: number; advertisedPort: number }[]
  /** Broker properties, e.g. `{ 'message.max.bytes': '100000' }`. */
  settings?: Record<string, string>
}

/**
 * A real Kafka of its own (one KRaft node) on a free port of 127.0.0.1, with its data in a temporary folder.
 *
 * On Linux it ends with the process that started it, however that ends.
 */
export interface KafkaServer {
  /** `127.0.0.1:port`, as `KAFKA_BROKERS` has it. */
  readonly brokers: string
  readonly port: number
  /** What a client has to trust, in PEM; with `ssl` only. */
  readonly caFile: string | undefined
  log(): Promise<string>
  /** Ends it in order and starts it again, with its topics. */
  restart(): Promise<void>
  /** Starts it again after `kill`, on the same port, with its topics. */
  start(): Promise<void>
  kill(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void
  resume(): void
  /** Resolves when the topic is gone; one that is not there is gone already. */
  deleteTopic(name: string): Promise<void>
  /** Ends it, if it is not down already, and removes its data. */
  stop(): Promise<void>
}

export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  const { java, jars } = await provideKafka()
  const folder = await makeServiceFolder('kafka')
  const ports = { client: await freePort(), inside: await freePort(), controller: await freePort() }
  const certificates = options.ssl ? makeCertificates(join(folder, 'tls')) : undefined
  const properties: Record<string, string> = {
    ...node(ports, join(folder, 'data')),
    ...listeners(ports, options),
    ...(options.sasl && logins(options.sasl)),
    ...(certificates && {
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.key': await oneLine(certificates.keyFile),
      'ssl.keystore.certificate.chain': await oneLine(certificates.certificateFile),
    }),
    ...options.settings,
  }
  const propertiesFile = join(folder, 'server.properties')
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`)
  await writeFile(propertiesFile, lines.join('\n'), { mode: 0o600 })
  const program = ['-cp', `${jars}/*`]

  /** By the listener of the broker itself, which asks for no login. */
  const withAdmin = async <T>(work: (admin: Admin) => Promise<T>) => {
    const admin = new Admin({
      ...{ clientId: 'livekv-services', bootstrapBrokers: [`127.0.0.1:${ports.inside}`] },
      ...{ connectTimeout: CONNECT_TIMEOUT_MS, timeout: CONNECT_TIMEOUT_MS, retries: false },
    })
    try {
      return await work(admin)
    } finally {
      await admin.close().catch(() => {})
    }
  }
  const metadata = () => withAdmin((admin) => admin.metadata({ topics: [] }))

  const server = new ServiceProcess({
    ...{ name: 'Kafka', program: java, folder, deathSignal: 'KILL' },
    args: [...JAVA_OPTIONS, ...program, 'kafka.Kafka', propertiesFile],
    answers: () =>
      metadata().then(
        ({ brokers }) => brokers.size > 0,
        () => false,
      ),
  })

  async function stop(): Promise<void> {
    await server.kill()
    await removeServiceFolder(folder)
  }

  try {
    // With "=": an id may begin with "-".
    const format = ['format', `--cluster-id=${clusterId()}`, '--config', propertiesFile]
    if (options.sasl) for (const scram of scrams(options.sasl)) format.push('--add-scram', scram)
    const quick = ['-Xmx64m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']
    await promisify(execFile)(java, [...quick, ...program, 'kafka.tools.StorageTool', ...format])
    await server.start()
  } catch (error) {
    await stop()
    throw error
  }

  return {
    ...{ brokers: `127.0.0.1:${ports.client}`, port: ports.client, caFile: certificates?.caFile, stop },
    log: () => server.log(),
    async restart() {
      await server.shutDown('SIGTERM')
      await server.start()
    },
    start: () => server.start(),
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    async deleteTopic(name) {
      await withAdmin(async (admin) => {
        if ((await admin.listTopics()).includes(name)) await admin.deleteTopics({ topics: [name] })
      })
    },
  }
}

interface Ports {
  client: number
  inside: number
  controller: number
}

/** The clients', the broker's own, which needs no login, and one for each way. */
function listeners(ports: Ports, options: KafkaOptions) {
  const at = (name: string, port: number) => `${name}://127.0.0.1:${port}`
  const own = [at('CLIENT', ports.client), at('INSIDE', ports.inside)]
  const ways = (options.ways ?? []).map((way, index) => ({ name: `WAY${index + 1}`, ...way }))
  const listening = ways.map(({ name, port }) => at(name, port))
  const advertised = ways.map(({ name, advertisedPort }) => at(name, advertisedPort))
  const protocols = ['INSIDE', 'CONTROLLER', ...ways.map(({ name }) => name)].map(
    (name) => `${name}:PLAINTEXT`,
  )
  return {
    listeners: [...own, ...listening, at('CONTROLLER', ports.controller)].join(','),
    'advertised.listeners': [...own, ...advertised].join(','),
    'listener.security.protocol.map': [`CLIENT:${protocol(options)}`, ...protocols].join(','),
  }
}

/** One node that is broker and controller. */
function node(ports: Ports, data: string) {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    'inter.broker.listener.name': 'INSIDE',
    'log.dirs': data,
    // One node has no other to keep copies on, and fewer partitions start sooner.
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '2',
    'group.initial.rebalance.delay.ms': '0',
    // A broker that was killed is let in again when its last session is over: 9 s by default.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    // Half of the heap by default.
    'log.cleaner.dedupe.buffer.size': String(4 * 1024 * 1024),
  }
}

function protocol({ sasl, ssl }: KafkaOptions): string {
  if (sasl) return ssl ? 'SASL_SSL' : 'SASL_PLAINTEXT'
  return ssl ? 'SSL' : 'PLAINTEXT'
}

function logins({ username, password }: { username: string; password: string }) {
  const scramModule = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  const plainModule = `org.apache.kafka.common.security.plain.PlainLoginModule required user_${username}="${password}";`
  return {
    'sasl.enabled.mechanisms': ['PLAIN', ...SCRAM_MECHANISMS].join(','),
    'listener.name.client.scram-sha-256.sasl.jaas.config': scramModule,
    'listener.name.client.scram-sha-512.sasl.jaas.config': scramModule,
    'listener.name.client.plain.sasl.jaas.config': plainModule,
  }
}

function scrams({ username, password }: { username: string; password: string }): string[] {
  return SCRAM_MECHANISMS.map((mechanism) => `${mechanism}=[name=${username},password=${password}]`)
}

/** Kafka writes its own as 16 bytes in base64 for URLs. */
function clusterId(): string {
  return Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url')
}

/** PEM as the value of a property. */
async function oneLine(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trimEnd().replaceAll('\n', '\\n')
}
