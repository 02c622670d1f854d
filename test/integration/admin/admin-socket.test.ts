import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { adminClient, type AdminClient } from '../../../runtime/admin/client.ts'
import { serveAdmin } from '../../../runtime/admin/server.ts'
import { createEmbeddedBroker } from '../../../runtime/broker/embedded/broker.ts'
import type { AppendRecord, Broker } from '../../../runtime/contract/broker.ts'
import { isMillraceError } from '../../../runtime/errors.ts'

const TRACE = { attempts: new Array<never>(), outcome: 'acked', endedAt: 5 } as const

async function opened(
  t: TestContext,
): Promise<{ broker: Broker; client: AdminClient; socket: string; close: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-admin-'))
  const broker = await createEmbeddedBroker({ dir: join(dir, 'data') })
  const socket = join(dir, 'admin.sock')
  const server = await serveAdmin({
    socket,
    broker,
    cursors: () => [],
    deliveries: (query) => (query.offset === 7 ? { ...TRACE, ...query } : undefined),
  })
  t.after(async () => {
    await server.close()
    await broker.close()
    await rm(dir, { recursive: true, force: true })
  })
  return { broker, client: adminClient(socket), socket, close: () => server.close() }
}

describe('the admin socket', () => {
  it('gives records byte for byte as the broker reads them', async (t) => {
    const { broker, client } = await opened(t)
    await broker.ensureTopic('orders', { partitions: 1 })
    await broker.append([
      {
        topic: 'orders',
        key: Buffer.from([0xff, 0]),
        value: null,
        headers: [
          ['ce_id', Buffer.from([0xc0])],
          ['none', null],
        ],
        partitionBy: 0,
        timestamp: 5_000,
      },
      { topic: 'orders', key: null, value: '{"a":"€"}', headers: [], partitionBy: 0 },
    ])
    const at = { topic: 'orders', partition: 0 }
    assert.deepEqual(await client.read(at, 0), await broker.read(at, 0))
    assert.deepEqual(await client.topics(['orders', 'none']), [{ topic: 'orders', partitions: 1 }])
    assert.deepEqual(await client.ranges([at]), [{ ...at, start: 0, end: 2 }])
    assert.equal((await client.committed('g', [at]))[0]?.offset, undefined)
    assert.equal((await client.offsetsAt([at], 0))[0]?.offset, 0)
  })

  it('writes records byte for byte, and commits', async (t) => {
    const { broker, client } = await opened(t)
    const at = { topic: 'orders', partition: 0 }
    assert.deepEqual(await client.ensureTopic('orders', { partitions: 1 }), {
      topic: 'orders',
      partitions: 1,
    })
    const record = {
      topic: 'orders',
      key: Buffer.from([0xff, 0]),
      value: Buffer.alloc(2 * 1024 * 1024, 0xfe),
      headers: [
        ['name', Buffer.from([0xc0])],
        ['none', null],
      ],
      partitionBy: 0,
      timestamp: 5_000,
    } satisfies AppendRecord
    const results = await client.append([
      record,
      { topic: 'none', key: null, value: 'text', headers: [], partitionBy: 'text' },
    ])
    assert.deepEqual(results[0], { ok: true, ...at, offset: 0 })
    assert.ok(
      results[1]?.ok === false && isMillraceError(results[1].error, 'FN_BROKER_UNKNOWN_TOPIC'),
    )
    const [written] = (await broker.read(at, 0)).records
    assert.deepEqual([written?.key, written?.timestamp], [record.key, 5_000])
    assert.ok(written?.value?.equals(record.value) === true)
    assert.deepEqual(written.headers, [
      [Buffer.from('name'), Buffer.from([0xc0])],
      [Buffer.from('none'), null],
    ])
    await client.commit('g', [{ ...at, offset: 1, metadata: 'm' }])
    assert.deepEqual(await broker.committed('g', [at]), [{ ...at, offset: 1, metadata: 'm' }])
  })

  it('passes transactions on, with what they expect', async (t) => {
    const { broker, client } = await opened(t)
    await broker.ensureTopic('orders', { partitions: 1 })
    const records = [{ topic: 'orders', key: 'k', value: 'v', headers: [], partitionBy: 0 }]
    const expect = [{ topic: 'orders', partition: 0, end: 0 }]
    assert.deepEqual(await client.transact('id', { records, expect }), [
      { ok: true, topic: 'orders', partition: 0, offset: 0 },
    ])
    await assert.rejects(client.transact('id', { records, expect }), (error) =>
      isMillraceError(error, 'FN_BROKER_CONFLICT'),
    )
  })

  it('tells what is remembered of a delivery, or that nothing is', async (t) => {
    const { client } = await opened(t)
    const query = { trigger: 'events/orders', topic: 'orders', partition: 1, offset: 7 }
    assert.deepEqual(await client.delivery(query), { ...TRACE, ...query })
    assert.equal(await client.delivery({ ...query, offset: 8 }), undefined)
  })

  it('passes errors on with their code', async (t) => {
    const { broker, client } = await opened(t)
    await broker.ensureTopic('orders', { partitions: 1 })
    await assert.rejects(client.read({ topic: 'orders', partition: 0 }, 9), (error) =>
      isMillraceError(error, 'FN_BROKER_OFFSET_OUT_OF_RANGE'),
    )
  })

  it('is for its owner alone', async (t) => {
    const { socket } = await opened(t)
    assert.equal((await stat(socket)).mode & 0o777, 0o600)
  })

  it('takes over what a killed process left, but not a living one', async (t) => {
    const { broker, socket, close } = await opened(t)
    await assert.rejects(serveAdmin({ socket, broker, cursors: () => [] }), /another runtime/)
    await close()
    await writeFile(socket, '')
    const server = await serveAdmin({ socket, broker, cursors: () => [] })
    await server.close()
  })

  it('says so when nobody answers', async () => {
    await assert.rejects(adminClient('/nowhere/admin.sock').topics(), (error) =>
      isMillraceError(error, 'FN_CLI_NOT_REACHABLE'),
    )
  })
})
