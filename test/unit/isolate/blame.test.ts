import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Casualties } from '../../../runtime/contract/worker-messages.ts'
import { blame } from '../../../runtime/isolate/blame.ts'

function casualties(change: Partial<Casualties>): Casualties {
  const none: number[] = []
  return {
    cause: 'cpu',
    starved: false,
    running: -1,
    together: none,
    suspended: none,
    done: none,
    waiting: none,
    ...change,
  }
}

test('the only handler that can have run is accused, and only it', () => {
  const verdict = blame(casualties({ running: 3, done: [1, 2], waiting: [4] }))
  assert.deepEqual(verdict, { accused: [3], suspects: [], innocent: [1, 2, 4] })
})

test('with another one suspended nobody is accused: all that started are suspects', () => {
  const verdict = blame(casualties({ running: 3, suspended: [1], done: [2], waiting: [4] }))
  assert.deepEqual(verdict, { accused: [], suspects: [3, 1, 2], innocent: [4] })
})

test('of a batch in its first stretch all are suspects, and nobody else', () => {
  const verdict = blame(casualties({ running: 3, together: [5, 6], done: [2], waiting: [4] }))
  assert.deepEqual(verdict, { accused: [], suspects: [3, 5, 6], innocent: [2, 4] })
})

test('in a continuation all that started are suspects', () => {
  const verdict = blame(casualties({ suspended: [1], done: [2], waiting: [4] }))
  assert.deepEqual(verdict, { accused: [], suspects: [1, 2], innocent: [4] })
})

test('a machine without time to give accuses nobody', () => {
  const verdict = blame(casualties({ starved: true, running: 3, waiting: [4] }))
  assert.deepEqual(verdict, { accused: [], suspects: [3], innocent: [4] })
})

test('an isolate that was merely put away makes no suspects', () => {
  const verdict = blame(casualties({ cause: 'evicted', suspended: [1], waiting: [2] }))
  assert.deepEqual(verdict, { accused: [], suspects: [], innocent: [1, 2] })
})
