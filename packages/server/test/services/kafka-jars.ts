import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { findJava, findMaven } from './binaries.ts'

const VERSION = '4.1.1'
const CACHE = resolve(import.meta.dirname, '../../../../.cache')
const JARS = join(CACHE, `kafka-${VERSION}`)
const FETCH_TIMEOUT_MS = 600_000

/** What a broker and its command line need; Maven adds what those need. */
const PROJECT = `<project>
<modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies>
</project>
`

export interface KafkaBinaries {
  java: string
  /** Folder of the jars. */
  jars: string
}

export function hasKafkaJars(): boolean {
  return existsSync(JARS)
}

/** The Java of a Kafka whose jars are there or can be fetched. */
export function findKafka(): string | undefined {
  return hasKafkaJars() || findMaven() ? findJava() : undefined
}

/** Java and the jars of Kafka; those come from Maven's repository, once (55 MB, kept in `.cache`). */
export async function provideKafka(): Promise<KafkaBinaries> {
  const java = findJava()
  if (!java) throw new Error('Java 17 or later is needed: install the package "default-jre-headless".')
  if (!hasKafkaJars()) await fetchJars()
  return { java, jars: JARS }
}

/** Whoever is first puts them in place; the folder is there only when it is complete. */
async function fetchJars(): Promise<void> {
  const maven = findMaven()
  if (!maven) throw new Error('Maven is needed once, to fetch Kafka: install the package "maven".')
  await mkdir(CACHE, { recursive: true })
  const folder = await mkdtemp(`${JARS}-`)
  try {
    const project = join(folder, 'pom.xml')
    await writeFile(project, PROJECT)
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${folder}`]
    await promisify(execFile)(maven, ['-q', '-B', '-f', project, ...goal], { timeout: FETCH_TIMEOUT_MS })
    await rename(folder, JARS)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    if (hasKafkaJars()) return
    const { message, stdout = '' } = error as Error & { stdout?: string }
    const said = `${message}\n${stdout}`.trim().slice(0, 2_000)
    throw new Error(`Maven could not fetch Kafka ${VERSION}: check the network or the proxy.\n${said}`)
  }
}
