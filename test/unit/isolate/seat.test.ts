import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkItem, WorkResult } from '../../../runtime/contract/work.ts'
import type { Casualties } from '../../../runtime/contract/worker-messages.ts'
import { Seat } from '../../../runtime/isolate/seat.ts'
import type { StackMap } from '../../../runtime/isolate/stack-map.ts'
import type { WorkerGroup } from '../../../runtime/isolate/worker-group.ts'
import { manifestOf } from '../../support/isolate.ts'
import { SILENT } from '../../support/silent-log.ts'

function item(id: number): WorkItem {
  return {
    id,
    event: {
      attributes: { specversion: '1.0', id: String(id), source: '/t', type: 't' },
      data: undefined,
    },
    lane: id,
    concurrency: 64,
    trigger: 'n/a',
    attempt: 1,
    timeoutMs: 1_000,
  }
}

/** Loses the isolate with two suspended events on a machine that gave it no time; says how they end. */
function seat(): { lose: () => WorkResult[] } {
  let results: WorkResult[] = []
  const group = { write: () => {}, lostIsolate: () => {} } as Partial<WorkerGroup> as WorkerGroup
  const one = new Seat({
    group,
    manifest: manifestOf('n', 'a'),
    code: Buffer.alloc(0),
    stacks: {} as StackMap,
    log: SILENT,
    maxReplyBytes: 1,
    alone: false,
    ready: () => {},
    failed: () => 'leave',
    finished: (given) => {
      results = results.concat(given)
    },
  })
  one.loaded(1)
  return {
    lose: () => {
      results = []
      one.send([item(1), item(2)])
      const casualties: Casualties = {
        cause: 'cpu',
        starved: true,
        running: -1,
        together: [],
        suspended: [0, 1],
        done: [],
        waiting: [],
      }
      one.isolateLost(casualties)
      return results
    },
  }
}

test('a starved machine makes suspects only when it is starved again and again', () => {
  const { lose } = seat()
  const suspects = (): boolean[] =>
    lose().map((result) => result.status === 'again' && result.suspect)
  assert.deepEqual(suspects(), [false, false])
  assert.deepEqual(suspects(), [false, false])
  assert.deepEqual(suspects(), [true, true], 'an endless loop must be blamed in the end')
})
