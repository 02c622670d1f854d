import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { WorkItem } from '../../../../runtime/contract/work.ts'
import { Turns } from '../../../../runtime/subscriber/http/turns.ts'
import { sampleEvent } from '../../../support/event-arbitraries.ts'

function item(id: number, lane: number, more: Partial<WorkItem> = {}): WorkItem {
  const event = sampleEvent()
  return { id, lane, event, concurrency: 8, trigger: 'a/t', attempt: 1, timeoutMs: 1_000, ...more }
}

function ids(items: readonly WorkItem[]): number[] {
  return items.map(({ id }) => id)
}

function turnsWith(...items: WorkItem[]): Turns {
  const turns = new Turns()
  for (const one of items) turns.add(one)
  return turns
}

test('lanes run side by side, and each in its order', () => {
  const first = item(1, 1)
  const turns = turnsWith(first, item(2, 1), item(3, 2))
  assert.deepEqual(ids(turns.next()), [1, 3])
  assert.deepEqual(ids(turns.next()), [])
  assert.deepEqual(turns.ended(first, false), [])
  assert.deepEqual(ids(turns.next()), [2])
})

test('what stands behind a failed one is given back', () => {
  const first = item(1, 1)
  const turns = turnsWith(first, item(2, 1), item(3, 1), item(4, 2))
  turns.next()
  assert.deepEqual(ids(turns.ended(first, true)), [2, 3])
  turns.add(item(2, 1))
  assert.deepEqual(ids(turns.next()), [2])
})

test('room is given up when the item is released, not when it has ended', () => {
  const first = item(1, 1, { concurrency: 1 })
  const turns = turnsWith(first, item(2, 2, { concurrency: 1 }))
  assert.deepEqual(ids(turns.next()), [1])
  turns.ended(first, false)
  assert.deepEqual(ids(turns.next()), [])
  turns.released(first)
  assert.deepEqual(ids(turns.next()), [2])
})

test('a trigger does not take the room of another', () => {
  const full = item(1, 1, { concurrency: 1 })
  const other = item(2, 1, { trigger: 'a/u', concurrency: 1 })
  assert.deepEqual(ids(turnsWith(full, item(3, 2, { concurrency: 1 }), other).next()), [1, 2])
})

test('what has not started is given up', () => {
  const first = item(1, 1)
  const turns = turnsWith(first, item(2, 1))
  turns.next()
  turns.add(item(3, 2))
  assert.deepEqual(ids(turns.clear()), [2, 3])
  assert.deepEqual(turns.ended(first, false), [])
  turns.released(first)
  assert.deepEqual(ids(turns.next()), [])
})

test('whatever happens, every item starts or is given back once, in order, within the bounds', () => {
  const steps = fc.array(
    fc.record({ lane: fc.nat(4), trigger: fc.nat(1), pick: fc.nat(7), fails: fc.boolean() }),
    { maxLength: 120 },
  )
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 4 }), (given, concurrency) => {
      const turns = new Turns()
      const running: WorkItem[] = []
      const seen = new Map<number, 'started' | 'back'>()
      const last = new Map<string, number>()
      const see = (one: WorkItem, how: 'started' | 'back'): void => {
        assert.ok(!seen.has(one.id))
        seen.set(one.id, how)
        const key = `${one.trigger} ${one.lane}`
        assert.ok((last.get(key) ?? -1) < one.id, 'in the order of its lane')
        last.set(key, one.id)
      }
      const start = (): void => {
        for (const one of turns.next()) {
          assert.ok(!running.some((r) => r.trigger === one.trigger && r.lane === one.lane))
          running.push(one)
          see(one, 'started')
        }
        for (const { trigger } of running) {
          assert.ok(running.filter((one) => one.trigger === trigger).length <= concurrency)
        }
      }
      const end = (at: number, fails: boolean): void => {
        const [one] = running.splice(at, 1)
        if (one === undefined) return
        for (const behind of turns.ended(one, fails)) see(behind, 'back')
        turns.released(one)
        start()
      }
      for (const [id, { lane, trigger, pick, fails }] of given.entries()) {
        turns.add(item(id, lane, { trigger: `a/${trigger}`, concurrency }))
        start()
        if (pick < running.length) end(pick, fails)
      }
      while (running.length > 0) end(0, false)
      assert.equal(seen.size, given.length)
    }),
  )
})
