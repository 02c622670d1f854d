import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createEmbeddedBroker } from '../../../../runtime/broker/embedded/broker.ts'
import type { Broker, Transaction } from '../../../../runtime/contract/broker.ts'
import { numbered, recordOf } from '../../../support/broker-contract/opening.ts'
import { readToEnd, textsOf } from '../../../support/broker-contract/reading.ts'
import { epochsOf, joinRecorded } from '../../../support/broker-contract/recording-listener.ts'
import { rejects } from '../../../support/broker-contract/transaction-checks.ts'

const topic = 'events'
const at = { topic, partition: 0 }
const progress = 'progress'
const LARGE_RECORDS = 20
const LARGE_RECORD_BYTES = 1 << 20

async function opened(t: TestContext): Promise<Broker> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-log-'))
  const broker = await createEmbeddedBroker({ dir })
  t.after(async () => {
    await broker.close()
    await rm(dir, { recursive: true, force: true })
  })
  await broker.ensureTopic(topic, { partitions: 2 })
  return broker
}

/** A record with the number and a commit of it. */
function both(group: string, i: number): Transaction {
  return { records: numbered(at, 1, i), commits: [{ group, offsets: [{ ...at, offset: i }] }] }
}

async function assertHolds(broker: Broker, texts: string[], offset?: number): Promise<void> {
  assert.deepEqual(textsOf(await readToEnd(broker, at)), texts)
  assert.equal((await broker.committed(progress, [at]))[0]?.offset, offset)
}

test('A transaction commits for no group that has members, unless it is one of them', async (t) => {
  const broker = await opened(t)
  const member = await joinRecorded(broker, {
    name: 'a',
    group: progress,
    topics: [topic],
    history: [],
  })
  const transactor = await broker.transactor({ id: 'id' })
  await rejects(transactor.transact(both(progress, 1)), 'FN_BROKER_COMMIT_REFUSED')
  await assertHolds(broker, [])
  const fence = { membership: member.membership, epochs: epochsOf(member) }
  await (await broker.transactor({ id: 'id' })).transact({ ...both(progress, 2), fence })
  await assertHolds(broker, ['2'], 2)
})

test('Who owns a partition is asked when the transaction is written, not when it is queued', async (t) => {
  const broker = await opened(t)
  const member = await joinRecorded(broker, {
    name: 'a',
    group: 'group',
    topics: [topic],
    history: [],
  })
  const transactor = await broker.transactor({ id: 'id' })
  const fence = { membership: member.membership, epochs: epochsOf(member) }
  const running = transactor.transact({ ...both(progress, 1), fence })
  const leaving = member.membership.leave()
  await rejects(running, 'FN_BROKER_STALE_EPOCH')
  await leaving
  await assertHolds(broker, [])
})

test('A transaction that still waits in the queue is fenced by a new owner', async (t) => {
  const broker = await opened(t)
  const old = await broker.transactor({ id: 'id' })
  const running = old.transact(both(progress, 1))
  const opening = broker.transactor({ id: 'id' })
  await rejects(running, 'FN_BROKER_FENCED')
  await (await opening).transact(both(progress, 2))
  await assertHolds(broker, ['2'], 2)
})

test('Stable offsets wait for the transactions that are before in the queue', async (t) => {
  const broker = await opened(t)
  const transactor = await broker.transactor({ id: 'id' })
  const running = transactor.transact(both(progress, 3))
  const [committed] = await broker.committed(progress, [at], { stable: true })
  assert.equal(committed?.offset, 3)
  await running
})

test('What is expected counts everything that is before in the queue', async (t) => {
  const broker = await opened(t)
  const transactor = await broker.transactor({ id: 'id' })
  const appending = broker.append(numbered(at, 2))
  const late = transactor.transact({ ...both(progress, 5), expect: [{ ...at, end: 0 }] })
  const right = transactor.transact({ ...both(progress, 6), expect: [{ ...at, end: 2 }] })
  await Promise.all([appending, rejects(late, 'FN_BROKER_CONFLICT'), right])
  await assertHolds(broker, ['0', '1', '6'], 6)
})

test('A transaction larger than a write of appends is one write', async (t) => {
  const broker = await opened(t)
  const transactor = await broker.transactor({ id: 'id' })
  const value = 'x'.repeat(LARGE_RECORD_BYTES)
  const records = Array.from({ length: LARGE_RECORDS }, () => recordOf(topic, { value }))
  const queue = Promise.all([
    broker.append(numbered(at, 1)),
    transactor.transact({ ...both(progress, 1), records }),
    broker.append(numbered(at, 1, 1)),
  ])
  const [, places] = await queue
  assert.deepEqual(
    places.map(({ offset }) => offset),
    records.map((_, i) => i + 1),
  )
  const sizes = (await readToEnd(broker, at)).map((record) => record.value?.length)
  assert.deepEqual(sizes, [1, ...records.map(() => LARGE_RECORD_BYTES), 1])
})
