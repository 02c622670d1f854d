import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppendResult } from '../../../../runtime/contract/broker.ts'
import { AppendCall } from '../../../../runtime/broker/kafka/append-call.ts'
import { BatchBuffers } from '../../../../runtime/broker/kafka/batch-buffers.ts'
import { PartitionQueue } from '../../../../runtime/broker/kafka/partition-queue.ts'

const AT = { topic: 't', partition: 0 }
const FIRST = { id: 1n, epoch: 0 }
const SECOND = { id: 2n, epoch: 0 }
const DEADLINE_MS = 1_000
const FAILURE = new Error('refused')
const RECORD = { topic: 't', key: null, headers: [], partitionBy: 0 }

function queueOf(...values: string[]): {
  queue: PartitionQueue
  add: (value: string) => Promise<AppendResult>
} {
  const queue = new PartitionQueue(AT, new BatchBuffers())
  const add = async (value: string): Promise<AppendResult> => {
    const call = new AppendCall(1)
    queue.add({ ...RECORD, value }, call, 0, DEADLINE_MS)
    return (await call.done)[0] as AppendResult
  }
  for (const value of values) void add(value)
  return { queue, add }
}

/** Producer id, first sequence, number of records. */
function stamp(batch: Buffer): [bigint, number, number] {
  return [batch.readBigInt64BE(43), batch.readInt32BE(53), batch.readInt32BE(57)]
}

function later(): number {
  return Date.now() + DEADLINE_MS + 1
}

test('Sequences go on from batch to batch, and a batch is sent again byte for byte', () => {
  const { queue, add } = queueOf('a', 'b', 'c')
  const first = Buffer.from(queue.depart(FIRST))
  assert.deepEqual(stamp(first), [1n, 0, 3])
  void add('d')
  queue.returned()
  assert.deepEqual(queue.depart(FIRST), first)
  queue.succeeded(10)
  assert.deepEqual(stamp(queue.depart(FIRST)), [1n, 3, 1])
})

test('Results name the offset of each record', async () => {
  const { queue, add } = queueOf('a')
  const result = add('b')
  queue.depart(FIRST)
  queue.succeeded(41)
  assert.deepEqual(await result, { ok: true, ...AT, offset: 42 })
  assert.ok(queue.isEmpty)
})

test('After a failure the producer is never used again', async () => {
  const { queue, add } = queueOf()
  const failed = add('a')
  queue.depart(FIRST)
  queue.failed(FAILURE)
  assert.deepEqual(await failed, { ok: false, topic: 't', error: FAILURE })
  assert.deepEqual([queue.identity, queue.abandoned], [undefined, FIRST])
  void add('b')
  assert.deepEqual(stamp(queue.depart(SECOND)), [2n, 0, 1])
})

test('A deadline that passes on the way fails the records, but nothing overtakes the batch', async () => {
  const { queue, add } = queueOf()
  const failed = add('a')
  const sent = queue.depart(FIRST)
  queue.expire(later(), () => FAILURE)
  assert.deepEqual(await failed, { ok: false, topic: 't', error: FAILURE })
  assert.ok(!queue.isEmpty)
  void add('b')
  queue.returned()
  assert.deepEqual(queue.abandoned, FIRST)
  const next = queue.depart(SECOND)
  assert.notDeepEqual(next, sent)
  assert.deepEqual(stamp(next), [2n, 0, 1])
})

test('A late confirmation of a batch whose deadline passed keeps the producer', async () => {
  const { queue, add } = queueOf()
  const failed = add('a')
  queue.depart(FIRST)
  queue.expire(later(), () => FAILURE)
  assert.equal((await failed).ok, false)
  queue.succeeded(0)
  void add('b')
  assert.deepEqual(stamp(queue.depart(FIRST)), [1n, 1, 1])
})

test('A batch that failed by its deadline does not fail again by its answer', async () => {
  const { queue } = queueOf()
  const call = new AppendCall(2)
  queue.add({ ...RECORD, value: 'here' }, call, 0, DEADLINE_MS)
  queue.depart(FIRST)
  queue.expire(later(), () => FAILURE)
  queue.failed(new Error('too late'))
  call.settle(1, { ok: true, topic: 'elsewhere', partition: 0, offset: 0 })
  assert.deepEqual(await call.done, [
    { ok: false, topic: 't', error: FAILURE },
    { ok: true, topic: 'elsewhere', partition: 0, offset: 0 },
  ])
})

test('Records that were never sent fail at their deadline and leave the producer alone', async () => {
  const { queue, add } = queueOf('a')
  queue.depart(FIRST)
  queue.succeeded(0)
  const waiting = add('b')
  queue.expire(later(), () => FAILURE)
  assert.equal((await waiting).ok, false)
  assert.deepEqual(queue.identity, FIRST)
  assert.ok(queue.isEmpty)
})
