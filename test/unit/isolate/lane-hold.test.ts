import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkItem, WorkResult } from '../../../runtime/contract/work.ts'
import { LaneHold } from '../../../runtime/isolate/lane-hold.ts'

const LARGE = Buffer.alloc(700 * 1024)

function item(id: number, lane: number, bytes: Buffer = LARGE): WorkItem {
  const attributes = { specversion: '1.0', id: `${id}`, source: '/s', type: 't' }
  return {
    id,
    lane,
    event: { attributes, data: { kind: 'binary', bytes } },
    concurrency: 1,
    trigger: 'n/t',
    attempt: 1,
    timeoutMs: 1_000,
  }
}

const ids = (items: readonly WorkItem[]): number[] => items.map(({ id }) => id)
const done = (id: number): WorkResult => ({
  id,
  status: 'done',
  replies: [],
  logs: [],
  durationMs: 1,
})

test('what fits goes as one frame', () => {
  const small = [1, 2, 3].map((id) => item(id, 7, Buffer.alloc(10)))
  assert.deepEqual(new LaneHold().cut(small).map(ids), [[1, 2, 3]])
})

test('a lane that would reach into a second frame is held until its first part is done', () => {
  const hold = new LaneHold()
  const items = [item(1, 7), item(2, 7), item(3, 8), item(4, 7)]
  assert.deepEqual(hold.cut(items).map(ids), [[1], [3]])
  assert.deepEqual(ids(hold.heard([done(3)], [item(3, 8)]).release), [])
  const { release, giveBack } = hold.heard([done(1)], [item(1, 7)])
  assert.deepEqual([ids(release), ids(giveBack)], [[2, 4], []])
})

test('if the first part fails, the held rest is given back', () => {
  const hold = new LaneHold()
  hold.cut([item(1, 7), item(2, 7)])
  const { release, giveBack } = hold.heard(
    [{ id: 1, status: 'again', suspect: true }],
    [item(1, 7)],
  )
  assert.deepEqual([ids(release), ids(giveBack)], [[], [2]])
})

test('lanes of different triggers have nothing to do with each other', () => {
  const hold = new LaneHold()
  const other = { ...item(2, 7), trigger: 'n/other' }
  assert.deepEqual(hold.cut([item(1, 7), other]).map(ids), [[1], [2]])
})
