import { randomUUID } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { sharedService } from './services/shared-service.ts'
import { TcpProxy } from './services/tcp-proxy.ts'
import { createTestDatabase } from './services/test-database.ts'
import { startTestApp, type TestApp } from './support/test-app.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function start(environment: Record<string, string>): Promise<TestApp> {
  const app = await startTestApp(environment)
  closing.push(() => app.close())
  return app
}

async function metric(app: TestApp, name: string): Promise<number> {
  const { text } = await app.call('GET', '/metrics')
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
}

test('an instance without its database keeps to its limits while others write, and has it all in the end', async () => {
  const url = await createTestDatabase()
  const proxy = await TcpProxy.start({ port: Number(new URL(url).port) })
  closing.push(() => proxy.close())
  const kafka = { KAFKA_BROKERS: await sharedService('kafka'), KAFKA_TOPIC: `test-${randomUUID()}` }
  const one = await start({ DATABASE_URL: proxy.through(url), TAIL_MAX_ENTRIES: '1000', ...kafka })
  const other = await start({ DATABASE_URL: url, MAX_VALUE_BYTES: '3000000', ...kafka })
  for (const app of [one, other]) {
    await expect.poll(async () => (await app.call('GET', '/readyz')).json.status).toBe('ready')
  }
  await proxy.refuse()
  // More than the broker takes, so it is in the log alone.
  const large = await other.call('POST', '/add', { key: 'large', value: 'x'.repeat(1_500_000) })
  expect(large.status).toBe(200)
  for (let batch = 0; batch < 4; batch++) {
    const writes = Array.from({ length: 5_000 }, (_, n) => ({ key: `k${batch}.${n}`, value: n }))
    expect((await other.call('POST', '/api/v1/batch', { writes })).status).toBe(200)
  }
  await expect.poll(() => metric(one, 'livekv_log_head_revision')).toBe(20_001)
  expect(await metric(one, 'livekv_contiguous_revision')).toBe(0)
  expect(await metric(one, 'livekv_tail_entries')).toBeLessThanOrEqual(1_001)

  await proxy.listen()
  await expect.poll(() => metric(one, 'livekv_contiguous_revision')).toBe(20_001)
  expect(await metric(one, 'livekv_tail_entries')).toBeLessThanOrEqual(1_001)
  for (const key of ['k0.0', 'k2.17', 'k3.4999']) {
    expect((await one.call('GET', `/get/${key}`)).json.value).toBe(Number(key.split('.')[1]))
  }
})
