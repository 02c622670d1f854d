import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Dedupe } from '../../../runtime/consumer/dedupe.ts'
import { eventNamed, recordAt } from '../../support/test-cursor.ts'

const WINDOW = { windowMs: 100, max: 1_000 }

/** Offsets count up; the second number is when the record was written. */
function bench(options = WINDOW): {
  begin: (id: string, offset: number, at?: number) => string
  end: (offset: number, at?: number) => number[]
} {
  const dedupe = new Dedupe(options)
  return {
    begin: (id, offset, at = 0) => dedupe.begin(recordAt(offset, at), eventNamed(id)),
    end: (offset, at = 0) => dedupe.ended(recordAt(offset, at)).map((copy) => copy.offset),
  }
}

describe('Dedupe', () => {
  it('knows an event that has ended, and no other', () => {
    const { begin, end } = bench()
    assert.equal(begin('a', 0), 'new')
    assert.deepEqual(end(0), [])
    assert.equal(begin('a', 1), 'duplicate')
    assert.equal(begin('b', 2), 'new')
  })

  it('C20 takes events of the same id from two sources for two', () => {
    const dedupe = new Dedupe(WINDOW)
    assert.equal(dedupe.begin(recordAt(0), eventNamed('a', '/one')), 'new')
    assert.equal(dedupe.begin(recordAt(1), eventNamed('a', '/two')), 'new')
    assert.equal(dedupe.begin(recordAt(2), eventNamed('b/x', '/on')), 'new')
    assert.equal(dedupe.begin(recordAt(3), eventNamed('x', '/on/b')), 'new')
  })

  it('lets copies wait while the original runs, and gives them back with its end', () => {
    const { begin, end } = bench()
    assert.equal(begin('a', 0), 'new')
    assert.equal(begin('a', 1), 'waits')
    assert.equal(begin('b', 2), 'new')
    assert.equal(begin('a', 3), 'waits')
    assert.deepEqual(end(2), [])
    assert.deepEqual(end(0), [1, 3])
    assert.deepEqual(end(1), []) // a copy has none of its own
    assert.equal(begin('a', 4), 'duplicate')
  })

  it('forgets an event when the window is over, by the times of the log', () => {
    const { begin, end } = bench()
    begin('a', 0, 1_000)
    end(0, 1_000)
    assert.equal(begin('a', 1, 1_100), 'duplicate')
    assert.equal(begin('a', 2, 1_201), 'new')
  })

  it('counts the window from the latest copy on', () => {
    const { begin, end } = bench()
    begin('a', 0, 0)
    end(0, 0)
    assert.equal(begin('a', 1, 90), 'duplicate')
    assert.equal(begin('a', 2, 180), 'duplicate')
    begin('b', 3, 200)
    assert.equal(begin('b', 4, 290), 'waits')
    end(3, 200)
    assert.equal(begin('b', 5, 380), 'duplicate')
  })

  it('runs a copy that was written after the window although the original still runs', () => {
    const { begin, end } = bench()
    assert.equal(begin('a', 0, 0), 'new')
    assert.equal(begin('a', 1, 50), 'waits')
    assert.equal(begin('a', 2, 151), 'new')
    assert.equal(begin('a', 3, 160), 'waits')
    assert.deepEqual(end(2, 151), [3])
    assert.deepEqual(end(0, 0), [1])
    assert.equal(begin('a', 4, 260), 'duplicate') // of the later one
  })

  it('takes nothing for a copy of what came after it', () => {
    const dedupe = new Dedupe(WINDOW)
    // A copy outside the window ended before the original did, then the process crashed.
    dedupe.restore(recordAt(5, 200), eventNamed('a'))
    assert.equal(dedupe.begin(recordAt(1, 0), eventNamed('a')), 'new')
    assert.equal(dedupe.begin(recordAt(6, 210), eventNamed('a')), 'duplicate')
  })

  it('remembers at most so many, the latest ended ones', () => {
    const { begin, end } = bench({ windowMs: 1_000, max: 2 })
    for (const [offset, id] of ['a', 'b', 'c'].entries()) {
      begin(id, offset)
      end(offset)
    }
    assert.equal(begin('b', 3), 'duplicate')
    assert.equal(begin('c', 4), 'duplicate')
    assert.equal(begin('a', 5), 'new')
  })

  it('does as a list of all that was written would', () => {
    const step = fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd'),
      laterMs: fc.nat(60),
      /** Which of the running ones end before it. */
      ends: fc.array(fc.nat(5), { maxLength: 2 }),
      restart: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let dedupe = new Dedupe(WINDOW)
        const written: Array<{ id: string; at: number; state: 'runs' | 'waits' | 'ended' }> = []
        let now = 0
        const copiesOf = (offset: number): number[] => {
          const { id } = written[offset] as { id: string }
          let latest = (written[offset] as { at: number }).at
          const copies: number[] = []
          for (const [later, one] of written.entries()) {
            if (later <= offset || one.id !== id) continue
            if (one.at - latest > WINDOW.windowMs) break
            latest = one.at
            copies.push(later)
          }
          return copies
        }
        const end = (offset: number): void => {
          const one = written[offset]
          if (one?.state !== 'runs') return
          one.state = 'ended'
          const copies = dedupe.ended(recordAt(offset, one.at)).map((copy) => copy.offset)
          assert.deepEqual(copies, copiesOf(offset))
          for (const copy of copies) (written[copy] as { state: string }).state = 'ended'
        }
        for (const { id, laterMs, ends, restart } of steps) {
          now += laterMs
          for (const pick of ends) {
            const running = [...written.keys()].filter((at) => written[at]?.state === 'runs')
            if (running.length > 0) end(running[pick % running.length] as number)
          }
          if (restart) {
            // What the tail holds of the window; the unfinished ones come again.
            dedupe = new Dedupe(WINDOW)
            const first = written.findIndex(({ state }) => state !== 'ended')
            const since = (first < 0 ? now : (written[first]?.at ?? now)) - WINDOW.windowMs
            for (const [offset, one] of written.entries()) {
              const record = recordAt(offset, one.at)
              if (one.state === 'ended' && one.at >= since) {
                dedupe.restore(record, eventNamed(one.id))
              }
            }
            for (const [offset, one] of written.entries()) {
              if (one.state === 'ended') continue
              const found = dedupe.begin(recordAt(offset, one.at), eventNamed(one.id))
              assert.equal(found, one.state === 'runs' ? 'new' : 'waits')
            }
          }
          const before = written.findLast((one) => one.id === id)
          const isCopy = before !== undefined && now - before.at <= WINDOW.windowMs
          const expected = !isCopy ? 'new' : before.state === 'ended' ? 'duplicate' : 'waits'
          assert.equal(dedupe.begin(recordAt(written.length, now), eventNamed(id)), expected)
          const state = { new: 'runs', duplicate: 'ended', waits: 'waits' } as const
          written.push({ id, at: now, state: state[expected] })
        }
      }),
      { numRuns: 300 },
    )
  })
})
