import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Dedupe } from '../../../runtime/consumer/dedupe.ts'
import type { Outcome } from '../../../runtime/contract/outcome.ts'
import { eventNamed, quiet, recordAt, take, testCursor } from '../../support/test-cursor.ts'

const MUCH = Number.MAX_SAFE_INTEGER

describe('Cursor', () => {
  it('ends a duplicate at once, and a copy with its original', () => {
    const dedupe = new Dedupe({ windowMs: 1_000, max: 10 })
    const one = testCursor('one', { dedupe })
    take(one, recordAt(0), 'a')
    take(one, recordAt(1), 'a')
    assert.deepEqual(one.delivered, ['a'])
    assert.equal(one.cursor.watermark.unfinished, 2)
    one.settle(recordAt(0))
    take(one, recordAt(2), 'a')
    assert.deepEqual(one.books.outcomes, { filtered: 0, acked: 1, deduplicated: 2 })
    assert.equal(one.cursor.watermark.progress().offset, 3)
    assert.equal(one.cursor.bufferedBytes, 0)
  })

  it('gives waiting copies back with the rest when its partition goes', () => {
    const dedupe = new Dedupe({ windowMs: 1_000, max: 10 })
    const one = testCursor('one', { dedupe })
    take(one, recordAt(0), 'a')
    take(one, recordAt(1), 'a')
    one.cursor.close()
    one.cursor.close()
    one.settle(recordAt(0)) // too late
    assert.equal(one.books.returnedCount, 2)
    assert.equal(one.books.inFlight, 0)
    assert.equal(one.channel.closed, true)
  })

  it('ends a record that is no event as whoever took it says', async () => {
    const one = testCursor('one')
    const kept = Promise.withResolvers<Outcome>()
    one.cursor.refused(recordAt(0), kept.promise)
    one.cursor.advance(1, 1)
    await quiet()
    assert.deepEqual([one.books.inFlight, one.cursor.watermark.progress().offset], [1, 0])
    kept.resolve('quarantined')
    await quiet()
    assert.deepEqual(one.books.outcomes, { filtered: 0, quarantined: 1 })
    assert.equal(one.cursor.watermark.progress().offset, 1)
  })

  it('says when its window is full, when it is not any more, and when it closes', () => {
    const one = testCursor('one', { maxUnfinished: 10 })
    for (let offset = 0; offset < 10; offset++) take(one, recordAt(offset), `e${offset}`)
    assert.equal(one.cursor.isWindowFull, true)
    assert.equal(one.cursor.hasRoom(MUCH), false)
    assert.equal(one.cursor.hasRoom(MUCH), false)
    for (let offset = 0; offset < 5; offset++) one.settle(recordAt(offset))
    assert.equal(one.cursor.isWindowFull, false)
    assert.equal(one.cursor.hasRoom(MUCH), false) // there has to be half of the room
    one.settle(recordAt(5))
    assert.ok(one.rooms() > 0)
    assert.equal(one.cursor.hasRoom(MUCH), true)
    assert.deepEqual(one.books.windows, [true, false])
    for (let offset = 10; offset < 20; offset++) take(one, recordAt(offset), `e${offset}`)
    one.cursor.hasRoom(MUCH)
    one.cursor.close()
    assert.deepEqual(one.books.windows, [true, false, true, false])
  })

  it('takes no more than can soon run, and more for each that waits', () => {
    const one = testCursor('one')
    for (let offset = 0; offset < 1_000; offset++) take(one, recordAt(offset), `e${offset}`)
    assert.equal(one.cursor.hasRoom(MUCH), false)
    one.channel.waiting = 499
    assert.equal(one.cursor.hasRoom(MUCH), false)
    one.channel.waiting = 501
    assert.equal(one.cursor.hasRoom(MUCH), true)
    assert.deepEqual(one.books.windows, [])
  })

  it('has no room while it is paused, in trouble, or cannot tell duplicates yet', () => {
    const { cursor } = testCursor('one')
    assert.equal(cursor.hasRoom(MUCH), true)
    for (const why of [{ paused: true }, { restoring: true }, { trouble: 'lost' }]) {
      Object.assign(cursor, why)
      assert.equal(cursor.hasRoom(MUCH), false)
      Object.assign(cursor, { paused: false, restoring: false, trouble: undefined })
    }
  })

  it('keeps its books at every moment', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('match' as const), id: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ do: fc.constant('other' as const) }),
      fc.record({ do: fc.constant('refuse' as const) }),
      fc.record({ do: fc.constant('settle' as const), pick: fc.nat() }),
      fc.record({ do: fc.constant('end batch' as const) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), fc.nat(20), async (steps, closeAt) => {
        const dedupe = new Dedupe({ windowMs: 6, max: 2 })
        const one = testCursor('one', { dedupe })
        const { cursor, books } = one
        const running = new Map<number, string>()
        let seen = 0
        let next = 0
        let inBatch = 0
        const endBatch = (): void => {
          cursor.advance(next, inBatch)
          inBatch = 0
        }
        for (const [at, each] of steps.entries()) {
          if (at === 60 + closeAt) break
          if (each.do === 'settle') {
            const [offset] = [...running.keys()].slice(each.pick % Math.max(1, running.size))
            if (offset !== undefined) one.settle(recordAt(offset))
            running.delete(offset ?? -1)
          } else if (each.do === 'end batch') {
            endBatch()
          } else {
            const offset = next++
            inBatch++
            seen++
            if (each.do === 'match' && cursor.wants(offset)) {
              const before = one.delivered.length
              cursor.matched(recordAt(offset), eventNamed(each.id))
              if (one.delivered.length > before) running.set(offset, each.id)
            } else if (each.do === 'refuse' && cursor.wants(offset)) {
              cursor.refused(recordAt(offset), Promise.resolve('dropped'))
              if (offset % 2 === 0) await Promise.resolve()
            }
          }
          assert.equal(books.inFlight, cursor.watermark.unfinished)
        }
        endBatch()
        assert.equal(books.consumedCount, seen)
        cursor.close()
        assert.equal(books.inFlight, 0)
      }),
      { numRuns: 200 },
    )
  })
})
