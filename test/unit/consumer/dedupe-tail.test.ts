import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Dedupe } from '../../../runtime/consumer/dedupe.ts'
import { readTail, type TailOptions } from '../../../runtime/consumer/dedupe-tail.ts'
import { encodeFinished, type Range } from '../../../runtime/consumer/finished-offsets.ts'
import type { LogRecord } from '../../../runtime/contract/broker.ts'
import { MillraceError } from '../../../runtime/errors.ts'
import { eventNamed, recordAt } from '../../support/test-cursor.ts'

const AT = { topic: 'orders', partition: 0 }
const WINDOW_MS = 1_000
const NOW = Date.now()

interface Tail {
  /** How old the records are, in ms, by offset. */
  ages: number[]
  committed: number
  finished?: Range[]
  start?: number
  more?: Partial<TailOptions>
}

/** Offsets whose events are known after the tail was read. */
async function known({ ages, committed, finished = [], start = 0, more }: Tail): Promise<number[]> {
  const records = ages.map((age, offset) => recordAt(offset, NOW - age))
  const dedupe = new Dedupe({ windowMs: WINDOW_MS, max: 1_000 })
  await readTail({
    broker: {
      ranges: async () => [{ ...AT, start, end: records.length }],
      offsetsAt: async (_, timeMs) => {
        const offset = records.findIndex(({ timestamp }) => timestamp >= timeMs)
        return [{ ...AT, offset: offset < 0 ? records.length : offset }]
      },
      read: async (_, from, { maxBytes = 0 } = {}) => {
        assert.ok(from >= start, `offset ${from} is gone`)
        const found = records.slice(from, from + (maxBytes === 1 ? 1 : 3))
        return { records: found, next: from + found.length, start, end: records.length }
      },
    },
    at: AT,
    progress: { offset: committed, ...encodeFinished(committed, finished) },
    dedupe,
    decode: ({ offset }) => eventNamed(`e${offset}`),
    matches: () => true,
    signal: new AbortController().signal,
    ...more,
  })
  const isKnown = (record: LogRecord): boolean => {
    const copy = { ...record, offset: record.offset + records.length }
    return dedupe.begin(copy, eventNamed(`e${record.offset}`)) === 'duplicate'
  }
  return records.filter(isKnown).map(({ offset }) => offset)
}

describe('readTail', () => {
  it('restores what lies below the committed offset, and no more', async () => {
    assert.deepEqual(await known({ ages: [9, 8, 7, 6, 5, 4, 3], committed: 4 }), [0, 1, 2, 3])
  })

  it('restores what was finished above it, and not what was unfinished', async () => {
    const tail = { ages: Array.from({ length: 12 }, () => 5), committed: 2 }
    const finished: Range[] = [
      [3, 5],
      [8, 9],
    ]
    assert.deepEqual(await known({ ...tail, finished }), [0, 1, 3, 4, 8])
  })

  it('reads no further back than the window', async () => {
    assert.deepEqual(await known({ ages: [2_000, 1_500, 900, 500], committed: 4 }), [2, 3])
  })

  it('counts the window from the event with which the trigger goes on', async () => {
    const ages = [90_000, 61_500, 60_900, 60_500, 60_000]
    assert.deepEqual(await known({ ages, committed: 4 }), [2, 3])
  })

  it('begins where the log begins', async () => {
    assert.deepEqual(await known({ ages: [5, 5, 5, 5], committed: 4, start: 2 }), [2, 3])
  })

  it('leaves out events of other triggers and records that are no events', async () => {
    const more: Partial<TailOptions> = {
      decode: ({ offset }) => {
        if (offset === 1) throw new MillraceError('FN_EVENT_INVALID', 'no event')
        return eventNamed(`e${offset}`)
      },
      matches: ({ attributes }) => attributes.id !== 'e2',
    }
    assert.deepEqual(await known({ ages: [5, 5, 5, 5], committed: 4, more }), [0, 3])
  })

  it('lets a mistake through that is not about the record', async () => {
    const decode = (): never => {
      throw new TypeError('a mistake')
    }
    await assert.rejects(known({ ages: [5], committed: 1, more: { decode } }), TypeError)
  })
})
