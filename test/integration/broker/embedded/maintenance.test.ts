import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { createEmbeddedBroker } from '../../../../runtime/broker/embedded/broker.ts'
import type { RetentionOptions } from '../../../../runtime/broker/embedded/options.ts'
import { appendAll } from '../../../../runtime/contract/broker.ts'
import type { Broker, LogRecord } from '../../../../runtime/contract/broker.ts'
import { numbered, recordOf } from '../../../support/broker-contract/opening.ts'
import { readToEnd, startsAt, textsOf } from '../../../support/broker-contract/reading.ts'
import { eventually } from '../../../support/eventually.ts'

const HOUR_MS = 3_600_000
const at = { topic: 'kept', partition: 0 }

interface OpenLog {
  broker: Broker
  reopen: () => Promise<Broker>
}

async function openLog(t: TestContext, retention: RetentionOptions = {}): Promise<OpenLog> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-log-'))
  const open = (): Promise<Broker> =>
    createEmbeddedBroker({ dir, retention: { checkEveryMs: 20, ...retention } })
  let last = await open()
  t.after(async () => {
    await last.close()
    await rm(dir, { recursive: true, force: true })
  })
  return {
    broker: last,
    async reopen() {
      await last.close()
      last = await open()
      return last
    },
  }
}

test('retention.bytes keeps about that much at the end of each partition', async (t) => {
  const { broker } = await openLog(t)
  await broker.ensureTopic('kept', { partitions: 2, config: { 'retention.bytes': '50000' } })
  const value = Buffer.alloc(10_000 - 10)
  await appendAll(broker, Array(20).fill(recordOf('kept', { value })))
  await startsAt(broker, at, 15)
  assert.equal((await readToEnd(broker, at, 15)).length, 5)
  assert.deepEqual(await broker.ranges([{ topic: 'kept', partition: 1 }]), [
    { topic: 'kept', partition: 1, start: 0, end: 0 },
  ])
  await appendAll(broker, Array(2).fill(recordOf('kept', { value })))
  await startsAt(broker, at, 17)
})

test('Old records of more than one piece of work all go, younger ones behind them stay', async (t) => {
  const { broker } = await openLog(t)
  await broker.ensureTopic('kept', { partitions: 1, config: { 'retention.ms': '60000' } })
  const timestamp = Date.now() - HOUR_MS
  await appendAll(broker, [
    ...numbered(at, 12_000).map((record) => ({ ...record, timestamp })),
    recordOf('kept', { value: 'young' }),
    recordOf('kept', { value: 'old, behind a young one', timestamp }),
  ])
  await startsAt(broker, at, 12_000)
  assert.deepEqual(textsOf(await readToEnd(broker, at, 12_000)), [
    'young',
    'old, behind a young one',
  ])
  assert.equal((await broker.offsetsAt([at], timestamp))[0]?.offset, 12_000)
})

test('A topic that says nothing follows the broker, one that says -1 keeps all', async (t) => {
  const { broker } = await openLog(t, { retentionMs: 60_000 })
  const timestamp = Date.now() - HOUR_MS
  await broker.ensureTopic('for-ever', { partitions: 1, config: { 'retention.ms': '-1' } })
  await broker.ensureTopic('kept', { partitions: 1 })
  await appendAll(broker, [
    recordOf('for-ever', { timestamp }),
    recordOf('kept', { timestamp }),
    recordOf('kept'),
  ])
  await startsAt(broker, at, 1)
  const [range] = await broker.ranges([{ topic: 'for-ever', partition: 0 }])
  assert.equal(range?.start, 0)
})

test('Retention runs when the log is opened', async (t) => {
  const { broker, reopen } = await openLog(t, { checkEveryMs: HOUR_MS })
  await broker.ensureTopic('kept', { partitions: 1, config: { 'retention.ms': '60000' } })
  await appendAll(broker, [recordOf('kept', { timestamp: Date.now() - HOUR_MS }), recordOf('kept')])
  await startsAt(await reopen(), at, 1)
})

test('Compaction keeps the last record of each key, its offset, and records without a key', async (t) => {
  const { broker, reopen } = await openLog(t)
  const config = { 'cleanup.policy': 'compact', 'retention.ms': '1' }
  await broker.ensureTopic('kept', { partitions: 1, config })
  const keys = ['a', 'b', null, 'a', 'c', 'b', '', null, 'a', '']
  const timestamp = Date.now() - HOUR_MS
  await appendAll(
    broker,
    keys.map((key, i) => recordOf('kept', { key, value: String(i), timestamp })),
  )
  const kept = [2, 4, 5, 7, 8, 9]
  await eventually(async () => {
    const offsets = (await readToEnd(broker, at)).map((record) => record.offset)
    assert.deepEqual(offsets, kept)
    return true
  }, 'compaction')
  assert.deepEqual(await broker.ranges([at]), [{ ...at, start: 0, end: 10 }])
  const hole = await broker.read(at, 3, { maxBytes: 1 })
  assert.deepEqual([textsOf(hole.records), hole.next, hole.end], [['4'], 5, 10])
  const again = await reopen()
  assert.deepEqual(textsOf(await readToEnd(again, at)), kept.map(String))
  assert.equal((await appendAll(again, [recordOf('kept')]))[0]?.offset, 10)
})

test('Whatever is written between compactions, the last record of each key is left', async (t) => {
  const { broker } = await openLog(t)
  let topics = 0
  const key = fc.constantFrom('a', 'b', 'c', 'd', null)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(key, { maxLength: 8 }), { maxLength: 5 }),
      async (rounds) => {
        const topic = `compacted-${topics++}`
        await broker.ensureTopic(topic, { partitions: 1, config: { 'cleanup.policy': 'compact' } })
        const written: Array<string | null> = []
        for (const keys of rounds) {
          await appendAll(
            broker,
            keys.map((one) => recordOf(topic, { key: one })),
          )
          written.push(...keys)
        }
        const last = new Map(written.map((one, offset) => [one, offset]))
        const left = (record: LogRecord): number | undefined => last.get(String(record.key))
        const records = await readToEnd(broker, { topic, partition: 0 })
        for (const [one, offset] of last) {
          if (one === null) continue
          assert.ok(
            records.some((record) => record.offset === offset),
            `${one} at ${offset}`,
          )
          assert.ok(
            records.every((record) => String(record.key) !== one || record.offset <= offset),
          )
        }
        const nulls = written.filter((one) => one === null).length
        assert.equal(records.filter((record) => record.key === null).length, nulls)
        assert.ok(records.every((record) => record.key === null || left(record) !== undefined))
      },
    ),
    { numRuns: 20 },
  )
})
