import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { Cursor } from '../../../runtime/consumer/cursor.ts'
import { Partition } from '../../../runtime/consumer/partition.ts'
import type { LogRecord, ReadBatch } from '../../../runtime/contract/broker.ts'
import type { Event } from '../../../runtime/contract/event.ts'
import type { TriggerManifest } from '../../../runtime/contract/manifest.ts'
import type { Outcome } from '../../../runtime/contract/outcome.ts'
import { MillraceError } from '../../../runtime/errors.ts'
import { createMetrics } from '../../../runtime/telemetry/metrics.ts'
import { eventually } from '../../support/eventually.ts'
import { SILENT } from '../../support/silent-log.ts'

const AT = { topic: 'orders', partition: 0 }

/** A log in memory: `read` answers at once, or waits for an append when it is at the end. */
class MemoryLog {
  readonly records: LogRecord[] = []
  start = 0
  reads = 0
  /** Records of one read. */
  batch = 3
  #waiting: Array<() => void> = []

  append(value: string): void {
    this.records.push({
      offset: this.records.length,
      timestamp: 0,
      key: null,
      value: Buffer.from(value),
      headers: [],
    })
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async read(
    _at: unknown,
    from: number,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<ReadBatch> {
    this.reads++
    if (from < this.start) {
      throw new MillraceError('FN_BROKER_OFFSET_OUT_OF_RANGE', `offset ${from} is gone`, {
        detail: { from, start: this.start, end: this.records.length },
      })
    }
    if (from === this.records.length && !signal?.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        signal?.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    await Promise.resolve()
    const records = this.records.slice(from, from + this.batch)
    return { records, next: from + records.length, start: this.start, end: this.records.length }
  }
}

interface Reader {
  cursor: Cursor
  seen: string[]
  taken: LogRecord[]
  /** Ends what was seen so far. */
  settle: (outcome?: Outcome) => void
}

interface Bench {
  log: MemoryLog
  readers: Reader[]
  partition: Partition
  quarantined: string[]
}

function bench(
  t: TestContext | undefined,
  names: string[],
  options: {
    room?: number
    together?: number
    stalledMs?: number
    from?: number[]
    maxUnfinished?: number
    atFirst?: number
  } = {},
): Bench {
  const log = new MemoryLog()
  const metrics = createMetrics()
  const quarantined: string[] = []
  // The cursors wake it, and are made before it.
  const late: { partition?: Partition } = {}
  const readers = names.map((name, index): Reader => {
    const trigger = { namespace: 'n', name, group: `g-${name}` } as TriggerManifest
    const seen: string[] = []
    const taken: LogRecord[] = []
    let pending: LogRecord[] = []
    let end: ((record: LogRecord, outcome: Outcome) => void) | undefined
    const cursor = new Cursor({
      trigger,
      ...AT,
      from: { offset: options.from?.[index] ?? 0, metadata: '' },
      ledger: metrics.forTrigger(`n/${name}`),
      maxUnfinished: options.maxUnfinished ?? 65_536,
      open: ({ onSettled }) => {
        end = onSettled
        return {
          waiting: 0,
          deliver: (record, event) => {
            seen.push(event.attributes.id)
            pending.push(record)
            taken.push(record)
          },
          restore: async () => {},
          close() {},
        }
      },
      onRoom: () => late.partition?.wake(),
    })
    const settle = (outcome: Outcome = 'acked'): void => {
      const ended = pending
      pending = []
      for (const record of ended) end?.(record, outcome)
    }
    return { cursor, seen, taken, settle }
  })
  const partition = new Partition({
    at: AT,
    cursors: readers.slice(0, options.atFirst).map(({ cursor }) => cursor),
    broker: log,
    decode: (record): Event => {
      const id = record.value?.toString() ?? ''
      if (id.startsWith('bad')) throw new MillraceError('FN_EVENT_INVALID', 'no event')
      return { attributes: { specversion: '1.0', id, source: '/t', type: 't' }, data: undefined }
    },
    match: (event) =>
      readers
        .map(({ cursor }) => cursor.trigger)
        .filter(({ name }) => event.attributes.id.includes(name)),
    refuse: async (record) => {
      quarantined.push(record.value?.toString() ?? '')
      return 'quarantined'
    },
    maxCursorBytes: () => (options.room ?? 1_000) * 600,
    maxReaderBytes: () => (options.together ?? 1_000_000) * 600,
    ...(options.stalledMs === undefined ? {} : { stalledMs: options.stalledMs }),
    log: SILENT,
  })
  late.partition = partition
  t?.after(() => partition.stop())
  return { log, readers, partition, quarantined }
}

/** Until nothing moves any more without the test. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('Partition', () => {
  it('takes cursors that come into the read that is there, and reads nothing for those that go', async (t) => {
    const { log, readers, partition } = bench(t, ['a', 'b', 'c'], { from: [0, 2, 0], atFirst: 1 })
    const [a, b, c] = readers as [Reader, Reader, Reader]
    partition.start()
    for (let i = 0; i < 3; i++) log.append(`abc${i}`)
    await settled()
    partition.add([b.cursor])
    partition.add([c.cursor])
    await settled()
    assert.deepEqual([a.seen.length, b.seen.length, c.seen.length], [3, 1, 3])
    const reads = log.reads
    log.append('abc3')
    await settled()
    assert.ok(log.reads - reads <= 3, 'they read together')
    assert.ok(readers.every(({ cursor }) => partition.attached(cursor)))
    partition.detach([a.cursor])
    log.append('abc4')
    await settled()
    assert.deepEqual([a.seen.length, b.seen.length, c.seen.length], [4, 3, 5])
    a.settle()
    assert.equal(a.cursor.watermark.progress().offset, 4)
    partition.remove([a.cursor, b.cursor])
    log.append('abc5')
    await settled()
    assert.deepEqual([a.seen.length, b.seen.length, c.seen.length], [4, 3, 6])
    assert.deepEqual(partition.cursors, [c.cursor])
  })

  it('reads nothing for a cursor that comes and must wait, though a read is on its way', async (t) => {
    const { log, readers, partition } = bench(t, ['a', 'b'], { atFirst: 1 })
    partition.start()
    await settled()
    const [, b] = readers as [Reader, Reader]
    b.cursor.restoring = true
    partition.add([b.cursor])
    log.append('ab0')
    await settled()
    assert.deepEqual(b.seen, [])
    b.cursor.restoring = false
    partition.wake()
    await settled()
    assert.deepEqual(b.seen, ['ab0'])
  })

  it('waits for a crowd that has enough together, and parts with a slow one only', async (t) => {
    const { log, readers, partition } = bench(t, 'abcdefghij'.split(''), { together: 400 })
    log.batch = 100
    for (let i = 0; i < 3_000; i++) log.append(`${'abcdefghij'[i % 10]}${i}`)
    partition.start()
    await settled()
    const held = readers.reduce((sum, { seen }) => sum + seen.length, 0)
    assert.ok(held >= 400 && held <= 600, `${held} events are held`)
    assert.ok(readers.every(({ cursor }) => partition.attached(cursor)))
    const [slow, ...others] = readers
    await eventually(() => {
      for (const other of others) other.settle()
      return others.every(({ seen }) => seen.length === 300)
    }, 'the others read all')
    assert.equal(slow?.cursor.watermark.unfinished, slow?.seen.length)
    assert.ok(log.reads < 90, `${log.reads} reads of 30 batches`)
  })

  it('waits no longer for a crowd that ends nothing', async (t) => {
    const { log, readers, partition } = bench(t, 'abcdefghij'.split(''), {
      together: 400,
      stalledMs: 50,
    })
    log.batch = 100
    for (let i = 0; i < 3_000; i++) log.append(`${'abcdefghij'[i % 10]}${i}`)
    partition.start()
    const alive = readers[9] as Reader
    await eventually(() => {
      alive.settle()
      return alive.seen.length === 300
    }, 'the one that ends its events reads all')
  })

  it('gives each trigger the events that it matches, in order', async (t) => {
    const { log, readers, partition } = bench(t, ['a', 'b'])
    for (const id of ['a1', 'b1', 'ab2', 'a3', 'x']) log.append(id)
    partition.start()
    await settled()
    assert.deepEqual(readers[0]?.seen, ['a1', 'ab2', 'a3'])
    assert.deepEqual(readers[1]?.seen, ['b1', 'ab2'])
  })

  it('reads the log once for many triggers', async (t) => {
    const { log, partition } = bench(t, ['a', 'b', 'c', 'd'])
    partition.start()
    for (let i = 0; i < 30; i++) log.append(`abcd${i}`)
    await settled()
    assert.ok(log.reads <= 13, `${log.reads} reads for 30 records by threes`)
  })

  it('lets a trigger without room fall back alone, and takes it along when it has caught up', async (t) => {
    const { log, readers, partition } = bench(t, ['a', 'b'], { room: 5 })
    const [a, b] = readers as [Reader, Reader]
    partition.start()
    for (let i = 0; i < 30; i++) {
      log.append(`ab${i}`)
      await settled()
      b.settle()
    }
    await settled()
    assert.ok(a.seen.length < 12, `a took ${a.seen.length} without room`)
    assert.equal(b.seen.length, 30)
    assert.equal(partition.attached(a.cursor), false)
    assert.equal(partition.attached(b.cursor), true)
    while (a.seen.length < 30) {
      a.settle()
      await settled()
    }
    a.settle()
    log.append('ab30')
    await settled()
    assert.equal(partition.attached(a.cursor), true)
    assert.deepEqual(
      a.seen,
      Array.from({ length: 31 }, (_, i) => `ab${i}`),
    )
    assert.deepEqual(b.seen, a.seen)
  })

  it('counts as filtered what does not match, and advances past it', async (t) => {
    const { log, readers, partition } = bench(t, ['a'])
    for (const id of ['x', 'a1', 'y']) log.append(id)
    partition.start()
    await settled()
    assert.equal(readers[0]?.cursor.watermark.progress().offset, 1)
    readers[0]?.settle()
    assert.equal(readers[0]?.cursor.watermark.progress().offset, 3)
  })

  it('quarantines a record that is no event once, and goes on', async (t) => {
    const { log, readers, partition, quarantined } = bench(t, ['a', 'b'])
    for (const id of ['a1', 'bad', 'b2']) log.append(id)
    partition.start()
    await settled()
    assert.deepEqual(quarantined, ['bad'])
    for (const reader of readers) reader.settle()
    assert.deepEqual(
      readers.map(({ cursor }) => cursor.watermark.progress().offset),
      [3, 3],
    )
  })

  it('copies what it keeps of a batch that few want, so that no fetch is held by one event', async (t) => {
    const { log, readers, partition } = bench(t, ['a'])
    const fetched = Buffer.from('x'.repeat(100_000))
    for (let i = 0; i < 9; i++) {
      log.append(i % 3 === 0 ? `a${i}` : 'x')
      const record = log.records[i] as LogRecord
      const text = record.value?.toString() ?? ''
      fetched.write(text, i * 10)
      log.records[i] = { ...record, value: fetched.subarray(i * 10, i * 10 + text.length) }
    }
    partition.start()
    await settled()
    // The first batch is taken for sparse, the others are not: a third of them matches.
    assert.deepEqual(
      readers[0]?.taken.map(({ value }) => value?.buffer === fetched.buffer),
      [false, true, true],
    )
  })

  it('takes no more of a batch of small records than a window holds, and holds nobody else', async (t) => {
    const { log, readers, partition } = bench(t, ['a', 'b'], {
      room: 100_000,
      maxUnfinished: 1_500,
    })
    const [a, b] = readers as [Reader, Reader]
    log.batch = 10_000
    for (let i = 0; i < 5_000; i++) log.append(i % 10 === 9 ? `ab${i}` : `a${i}`)
    partition.start()
    await settled()
    for (let i = 0; i < 5; i++) {
      b.settle()
      await settled()
    }
    assert.equal(a.seen.length, 2_000) // in steps of a thousand
    assert.equal(b.seen.length, 500)
    while (a.seen.length < 5_000) {
      const before = a.seen.length
      a.settle()
      await settled()
      assert.ok(a.seen.length - before <= 2_000)
    }
    a.settle()
    assert.equal(a.cursor.watermark.progress().offset, 5_000)
    assert.equal(new Set(a.seen).size, 5_000)
  })

  it('stops a trigger whose offset is lost, without moving it, and no other', async (t) => {
    const { log, readers, partition } = bench(t, ['a', 'b'], { from: [0, 20_000] })
    for (let i = 0; i < 20_003; i++) log.append(i < 20_000 ? 'old' : `ab${i}`)
    log.start = 10
    partition.start()
    await settled()
    const [a, b] = readers as [Reader, Reader]
    assert.match(a.cursor.trouble ?? '', /OffsetLost: trigger n\/a/)
    assert.equal(a.cursor.watermark.progress().offset, 0)
    assert.equal(b.seen.length, 3)
  })

  it('does not let a lost offset take along a trigger that shares its reader', async (t) => {
    const { log, readers, partition } = bench(t, ['a', 'b'], { from: [0, 5] })
    for (let i = 0; i < 8; i++) log.append(`ab${i}`)
    log.start = 5
    partition.start()
    await settled()
    const [a, b] = readers as [Reader, Reader]
    assert.match(a.cursor.trouble ?? '', /OffsetLost/)
    assert.equal(b.cursor.trouble, undefined)
    assert.deepEqual(b.seen, ['ab5', 'ab6', 'ab7'])
  })

  it('stops at once while it waits for the log and for room', async () => {
    const { log, readers, partition } = bench(undefined, ['a', 'b'], { room: 1 })
    for (let i = 0; i < 5; i++) log.append(`a${i}`)
    partition.start()
    await settled()
    assert.ok((readers[0]?.seen.length ?? 0) < 5)
    await partition.stop()
  })

  it('gives every trigger every event exactly once in order, whatever its room', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(fc.constant('append'), fc.constant('a'), fc.constant('b'), fc.constant('c')),
          {
            minLength: 20,
            maxLength: 80,
          },
        ),
        fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4)),
        async (script, from) => {
          const { log, readers, partition } = bench(undefined, ['a', 'b', 'c'], { room: 4, from })
          for (let i = 0; i < 4; i++) log.append(`abc${i}`)
          partition.start()
          for (const step of script) {
            if (step === 'append') log.append(`abc${log.records.length}`)
            else readers['abc'.indexOf(step)]?.settle()
            await new Promise((resolve) => setImmediate(resolve))
          }
          for (let i = 0; i < log.records.length; i++) {
            for (const reader of readers) reader.settle()
            await new Promise((resolve) => setImmediate(resolve))
          }
          await settled()
          await partition.stop()
          for (const [index, { seen }] of readers.entries()) {
            const first = from[index] as number
            const all = log.records.slice(first).map(({ offset }) => `abc${offset}`)
            assert.deepEqual(seen, all)
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})
