import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeFinished } from '../../../runtime/consumer/finished-offsets.ts'
import { PartitionWriter } from '../../../runtime/consumer/partition-writer.ts'
import type { AppendResult, Membership } from '../../../runtime/contract/broker.ts'
import { recordTo, ScriptedTransactor } from '../../support/scripted-transactor.ts'
import { quiet, recordAt, take, testCursor, type TestCursor } from '../../support/test-cursor.ts'

const FENCE = { membership: {} as Membership, epochs: new Map([['orders/0', 7]]) }

interface Bench {
  transactor: ScriptedTransactor
  writer: PartitionWriter
  /** What happened, in order. */
  events: string[]
  /** Writes `out` and ends the given offsets. */
  write: (name: string, one: TestCursor, ended: number[], alone?: boolean) => Promise<void>
}

function bench(): Bench {
  const transactor = new ScriptedTransactor()
  const events: string[] = []
  const writer = new PartitionWriter({
    transactor,
    fence: () => FENCE,
    ensureTopics: async (records) => {
      events.push(`topics ${records.length}`)
    },
    failed: (error) => events.push(`failed ${error.message}`),
  })
  const write: Bench['write'] = async (name, { cursor }, ended, alone = false) => {
    const records = [recordTo('out', name)]
    const results = await writer.write({
      cursor,
      records,
      ended: ended.map((offset) => recordAt(offset)),
      alone,
    })
    events.push(`${name} ${results.map(outcomeOf).join()}`)
  }
  return { transactor, writer, events, write }
}

function outcomeOf(result: AppendResult): string {
  return result.ok ? `at ${result.offset}` : result.error.message
}

function filled(name: string, count: number): TestCursor {
  const one = testCursor(name)
  for (let offset = 0; offset < count; offset++) take(one, recordAt(offset), `e${offset}`)
  return one
}

describe('PartitionWriter', () => {
  it('writes what comes together in one transaction, with the progress of each group', async () => {
    const { transactor, events, write } = bench()
    const [a, b] = [filled('a', 3), filled('b', 2)]
    void write('a0', a, [0])
    void write('b1', b, [1])
    void write('a2', a, [2])
    await quiet()
    assert.equal(transactor.transactions.length, 1)
    const [{ records, commits, fence } = { records: [] }] = transactor.transactions
    assert.deepEqual(
      records.map(({ value }) => value),
      ['a0', 'b1', 'a2'],
    )
    assert.equal(fence, FENCE)
    const places = (commits ?? []).map(({ group, offsets }) => {
      return [group, offsets[0]?.offset, decodeFinished(0, offsets[0]?.metadata ?? '')]
    })
    assert.deepEqual(places, [
      ['knative-trigger-events-a', 1, [[1, 2]]],
      ['knative-trigger-events-b', 0, [[1, 2]]],
    ])
    assert.equal(a.cursor.watermark.progress().offset, 0) // nothing is committed yet
    transactor.commit()
    await quiet()
    assert.equal(a.cursor.watermark.progress().offset, 1)
    assert.equal(a.cursor.committed.offset, 1)
    assert.deepEqual(events, ['topics 3', 'a0 at 0', 'b1 at 1', 'a2 at 2'])
  })

  it('takes in the next transaction what came meanwhile, after what ended with the first', async () => {
    const { transactor, write } = bench()
    const a = filled('a', 4)
    void write('a0', a, [0])
    await quiet()
    void write('a1', a, [1])
    void write('a2', a, [2])
    await quiet()
    assert.equal(transactor.transactions.length, 1)
    transactor.commit()
    await quiet()
    assert.equal(transactor.transactions.length, 2)
    assert.equal(transactor.transactions[1]?.commits?.[0]?.offsets[0]?.offset, 3)
  })

  it('gives an entry a transaction of its own that asks for it', async () => {
    const { transactor, write } = bench()
    const a = filled('a', 9)
    for (const [offset, alone] of [false, false, true, true, false].entries()) {
      void write(`a${offset}`, a, [offset], alone)
    }
    for (let i = 0; i < 4; i++) {
      await quiet()
      transactor.commit()
    }
    await quiet()
    const values = transactor.transactions.map(({ records }) => records.map(({ value }) => value))
    assert.deepEqual(values, [['a0', 'a1'], ['a2'], ['a3'], ['a4']])
  })

  it('says that it failed before it refuses, and takes nothing more', async () => {
    const { transactor, events, write } = bench()
    const a = filled('a', 5)
    void write('a0', a, [0])
    await quiet()
    void write('a1', a, [1])
    transactor.fail(new Error('no'))
    await quiet()
    void write('a2', a, [2])
    await quiet()
    assert.deepEqual(events, ['topics 1', 'failed no', 'a0 no', 'a1 no', 'a2 no'])
    assert.equal(transactor.transactions.length, 1)
    assert.deepEqual([a.cursor.committed.offset, a.cursor.watermark.unfinished], [0, 5])
  })

  it('fails when the topics of the output cannot be made', async () => {
    const failed: string[] = []
    const transactor = new ScriptedTransactor()
    const writer = new PartitionWriter({
      transactor,
      fence: () => FENCE,
      ensureTopics: async () => {
        throw new Error('not allowed')
      },
      failed: (error) => failed.push(error.message),
    })
    await writer.commit(filled('a', 1).cursor)
    assert.deepEqual(failed, ['not allowed'])
    assert.equal(transactor.transactions.length, 0)
  })

  it('does not commit what was withdrawn while it stood in line', async () => {
    const { transactor, events, write } = bench()
    const [a, b] = [filled('a', 3), filled('b', 1)]
    void write('a0', a, [0])
    await quiet()
    void write('a1', a, [1])
    void write('b0', b, [0])
    a.cursor.close()
    transactor.commit()
    await quiet()
    const { records, commits } = transactor.transactions[1] ?? { records: [] }
    assert.deepEqual(
      records.map(({ value }) => value),
      ['b0'],
    )
    assert.deepEqual(
      commits?.map(({ group }) => group),
      ['knative-trigger-events-b'],
    )
    assert.deepEqual(events, ['topics 1', 'a0 at 0', 'topics 2', 'a1 the trigger was withdrawn'])
    void write('a2', a, [2])
    transactor.commit()
    await quiet()
    assert.equal(transactor.transactions.length, 2)
    assert.deepEqual(events.slice(4), ['b0 at 0', 'topics 1', 'a2 the trigger was withdrawn'])
  })

  it('refuses what waits when it is closed, and closes its transactor', async () => {
    const { transactor, writer, events, write } = bench()
    const a = filled('a', 3)
    void write('a0', a, [0])
    await quiet()
    void write('a1', a, [1])
    const closing = writer.close()
    await quiet()
    assert.match(events.at(-1) ?? '', /^a1 the partition was given up/)
    transactor.commit() // what was on its way may still be committed
    await closing
    await quiet()
    assert.equal(events.at(-1), 'a0 at 0')
    assert.equal(transactor.closes, 1)
    void write('a2', a, [2])
    await quiet()
    assert.match(events.at(-1) ?? '', /^a2 the partition was given up/)
  })
})
