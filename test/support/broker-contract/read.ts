import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appendAll } from '../../../runtime/contract/broker.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { madeTopic, numbered, opened, recordOf, uniqueName } from './opening.ts'
import type { OpenBroker } from './opening.ts'
import { readToEnd, startsAt, textsOf } from './reading.ts'

/** Long enough to be seen, should a read wait it out instead of being woken. */
const LONG_WAIT_MS = 30_000

export function readContract(open: OpenBroker): void {
  test('A read from any position gives the records from there on', async (t) => {
    const { broker } = await opened(t, open)
    const at = { topic: await madeTopic(broker, 2), partition: 1 }
    await appendAll(broker, numbered(at, 10))
    for (const from of [0, 1, 9]) {
      const { records } = await broker.read(at, from)
      assert.deepEqual(
        records.map((r) => r.offset),
        [...Array(10).keys()].slice(from),
      )
      assert.deepEqual(
        textsOf(records),
        records.map((r) => String(r.offset)),
      )
    }
  })

  test('A batch says where to read on and what the log holds', async (t) => {
    const { broker } = await opened(t, open)
    const at = { topic: await madeTopic(broker, 1), partition: 0 }
    const { records: none, ...empty } = await broker.read(at, 0)
    assert.deepEqual([none, empty], [[], { next: 0, start: 0, end: 0 }])
    await appendAll(broker, numbered(at, 3))
    const { records, ...whole } = await broker.read(at, 1)
    assert.deepEqual([records.length, whole], [2, { next: 3, start: 0, end: 3 }])
    const { records: nothingYet, ...atEnd } = await broker.read(at, 3)
    assert.deepEqual([nothingYet, atEnd], [[], { next: 3, start: 0, end: 3 }])
  })

  test('maxBytes bounds a batch, yet one record always comes', async (t) => {
    const { broker } = await opened(t, open)
    const at = { topic: await madeTopic(broker, 1), partition: 0 }
    for (let i = 0; i < 10; i++) {
      await appendAll(broker, [recordOf(at.topic, { value: Buffer.alloc(20_000, String(i)) })])
    }
    const few = await broker.read(at, 0, { maxBytes: 50_000 })
    assert.ok(few.records.length >= 1 && few.records.length <= 3, `${few.records.length} records`)
    assert.equal(few.next, few.records.length)
    const least = await broker.read(at, 4, { maxBytes: 1 })
    assert.deepEqual(
      least.records.map((r) => r.offset),
      [4],
    )
    assert.deepEqual([least.next, least.end], [5, 10])
    const all = await readToEnd(broker, at, 0, 50_000)
    assert.deepEqual(
      all.map((r) => String(r.value?.subarray(0, 1))),
      '0123456789'.split(''),
    )
  })

  test('A read that waits is woken by an append', async (t) => {
    const { broker } = await opened(t, open)
    const at = { topic: await madeTopic(broker, 2), partition: 0 }
    const began = performance.now()
    const waiting = broker.read(at, 0, { waitMs: LONG_WAIT_MS })
    await appendAll(broker, [
      recordOf(at.topic, { partitionBy: 1, value: 'elsewhere' }),
      recordOf(at.topic, { value: 'awaited' }),
    ])
    const { records, next } = await waiting
    assert.deepEqual([textsOf(records), next], [['awaited'], 1])
    assert.ok(performance.now() - began < LONG_WAIT_MS)
  })

  test('A read that waits in vain answers empty when its time is up', async (t) => {
    const { broker } = await opened(t, open)
    const at = { topic: await madeTopic(broker, 1), partition: 0 }
    const began = performance.now()
    const { records, next } = await broker.read(at, 0, { waitMs: 200 })
    const tookMs = performance.now() - began
    assert.deepEqual([records, next], [[], 0])
    assert.ok(tookMs >= 190 && tookMs < LONG_WAIT_MS, `${tookMs} ms`)
  })

  test('Reads of several partitions wait side by side', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 4)
    const waiting = [0, 1, 2, 3].map((partition) =>
      broker.read({ topic, partition }, 0, { waitMs: LONG_WAIT_MS }),
    )
    for (const partition of [3, 2, 1, 0]) {
      await appendAll(broker, numbered({ topic, partition }, 1))
      const batch = await waiting[partition]
      assert.equal(batch?.records.length, 1)
    }
  })

  test('An aborted read rejects with the reason of its signal', async (t) => {
    const { broker } = await opened(t, open)
    const at = { topic: await madeTopic(broker, 1), partition: 0 }
    const reason = new Error('no longer wanted')
    const controller = new AbortController()
    const waiting = broker.read(at, 0, { waitMs: LONG_WAIT_MS, signal: controller.signal })
    controller.abort(reason)
    await assert.rejects(waiting, reason)
    await assert.rejects(broker.read(at, 0, { signal: AbortSignal.abort(reason) }), reason)
    await appendAll(broker, numbered(at, 1))
    assert.equal((await broker.read(at, 0)).records.length, 1, 'reading goes on after an abort')
  })

  test('A read below the start or above the end is refused with the range', async (t) => {
    const { broker, expire } = await opened(t, open)
    // Old enough for the retention of the topic, where the driver applies it by itself.
    const topic = await madeTopic(broker, 1, { 'retention.ms': '60000' })
    const at = { topic, partition: 0 }
    const timestamp = Date.now() - 3_600_000
    await appendAll(
      broker,
      numbered(at, 5).map((record) => ({ ...record, timestamp })),
    )
    await appendAll(broker, numbered(at, 3, 5))
    await expire(at, 5)
    await startsAt(broker, at, 5)
    for (const from of [0, 4, 9]) {
      await assert.rejects(broker.read(at, from, { waitMs: 1_000 }), (error: unknown) => {
        assert.ok(isMillraceError(error, 'FN_BROKER_OFFSET_OUT_OF_RANGE'), String(error))
        assert.deepEqual(error.detail, { from, start: 5, end: 8 })
        return true
      })
    }
    const { records, ...positions } = await broker.read(at, 5)
    assert.deepEqual(textsOf(records), ['5', '6', '7'])
    assert.deepEqual(positions, { next: 8, start: 5, end: 8 })
  })

  test('A topic or partition that is not there is named', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 1)
    for (const at of [
      { topic, partition: 1 },
      { topic: uniqueName('missing'), partition: 0 },
    ]) {
      await assert.rejects(
        broker.read(at, 0),
        (error: unknown) =>
          isMillraceError(error, 'FN_BROKER_UNKNOWN_TOPIC') && error.message.includes(at.topic),
      )
    }
  })
}
