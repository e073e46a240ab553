import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OPTIONS } from '../packages/server/src/config-table.ts'
import serverFlags from '../scripts/server-flags.cjs'

const ROOT = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

/** Each service's lines, without comments: the files keep to one style, so that this is enough of a parser. */
function servicesOf(file: string): Map<string, string> {
  const text = read(file).replace(/^ *#.*\n/gm, '')
  const [, body = ''] = /^services:\n(.*?)^networks:/ms.exec(text) ?? []
  return new Map(
    body.split(/^ {2}(?=\S)/m).flatMap((block) => {
      const name = /^([\w-]+):\n/.exec(block)?.[1]
      return name ? [[name, block.trim()] as const] : []
    }),
  )
}

describe.each(['compose.yaml', 'compose.zookeeper.yaml'])('%s', (file) => {
  const services = servicesOf(file)

  test('has the whole system', () => {
    const names = ['postgres', 'redis', 'kafka', 'kafka-ui', 'app', 'nginx', 'prometheus', 'grafana']
    expect([...services.keys()]).toEqual(expect.arrayContaining(names))
  })

  test('opens only nginx and Kafka UI to others, and these only if BIND says so', () => {
    const open: string[] = []
    for (const [name, block] of services) {
      for (const [, published = ''] of block.matchAll(/^ +ports: \['(.*)'\]$/gm)) {
        if (/^\$\{BIND:-127\.0\.0\.1\}:/.test(published)) open.push(name)
        else expect(published, name).toMatch(/^127\.0\.0\.1:/)
      }
    }
    expect(open.sort()).toEqual(['kafka-ui', 'nginx'])
    const written = [...services.values()].join('\n')
    expect(written.match(/^ +ports:/gm)).toHaveLength(written.match(/^ +ports: \['.*'\]$/gm)!.length)
  })

  test('names each image with its version', () => {
    for (const [name, block] of services) {
      if (name === 'app') expect(block).toMatch(/^ +build: \.$/m)
      else expect(block, name).toMatch(/^ +image: [\w./-]+:v?\d+(?:\.\d+)*$/m)
    }
  })

  test('gives the instances settings that exist, and addresses that no .env can change', () => {
    const settings = [...services.get('app')!.matchAll(/^ {6}([A-Z_]+): (.*)$/gm)]
    const known = OPTIONS.map(({ name }) => name)
    expect(settings.length).toBeGreaterThan(10)
    for (const [, name = '', value = ''] of settings) {
      expect(known).toContain(name)
      if (/(HOST|PORT|BROKERS|URL)$/.test(name)) expect(value).not.toContain('$')
    }
  })

  test('mounts files that are there', () => {
    const mounted = [...services.values()].flatMap((block) => [...block.matchAll(/^ +- \.\/(.*?):/gm)])
    expect(mounted.length).toBeGreaterThan(5)
    for (const [, path = ''] of mounted) expect(existsSync(join(ROOT, path)), path).toBe(true)
  })
})

test('the two compose files differ in Kafka alone', () => {
  const [one, other] = [servicesOf('compose.yaml'), servicesOf('compose.zookeeper.yaml')]
  for (const services of [one, other]) {
    services.delete('kafka')
    services.delete('zookeeper')
  }
  expect(Object.fromEntries(other)).toEqual(Object.fromEntries(one))
})

test('every instance is tried again a second after it failed', () => {
  const text = read('deploy/upstream.conf')
  const servers = [...text.matchAll(/^ *server \S+ (.*);$/gm)].map(([, parameters]) => parameters)
  expect(servers).toEqual(['1', '2', '3'].map(() => 'max_fails=1 fail_timeout=1s'))
})

test('the image starts the server with the flags of npm start', () => {
  const command = /^CMD (.*)$/m.exec(read('Dockerfile'))
  expect(JSON.parse(command![1]!)).toEqual(['node', ...serverFlags, 'packages/server/src/main.ts'])
})

test('the dashboard shows metrics that exist', () => {
  const { panels } = JSON.parse(read('deploy/grafana/livekv.json')) as {
    panels: { title: string; targets?: { expr: string }[] }[]
  }
  const documented = read('docs/metrics.md')
  const used = panels.flatMap(({ title, targets = [] }) =>
    targets.flatMap(({ expr }) => expr.match(/\blivekv_\w+/g)?.map((metric) => ({ title, metric })) ?? []),
  )
  expect(used.length).toBeGreaterThan(20)
  for (const { title, metric } of used) {
    const name = metric.replace(/_(bucket|sum|count)$/, '')
    expect(documented, `${metric} of "${title}"`).toMatch(new RegExp(`^\\| \`${name}[\`{]`, 'm'))
  }
})
