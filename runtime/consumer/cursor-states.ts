import type { CursorState } from '../contract/cursor-state.ts'
import { triggerName } from '../contract/manifest.ts'
import type { Cursor } from './cursor.ts'
import type { OwnedPartition } from './owned-partition.ts'

export function cursorStates(partitions: Iterable<OwnedPartition>): CursorState[] {
  const states: CursorState[] = []
  for (const owned of partitions) {
    for (const cursor of owned.cursors()) states.push(stateOf(owned, cursor))
  }
  return states
}

function stateOf(owned: OwnedPartition, cursor: Cursor): CursorState {
  const state: CursorState = {
    trigger: triggerName(cursor.trigger),
    group: cursor.trigger.group,
    topic: cursor.topic,
    partition: cursor.partition,
    committed: cursor.committed.offset,
    end: owned.endFor(cursor),
    inFlight: cursor.watermark.unfinished,
    attached: owned.attached(cursor),
    paused: cursor.paused,
  }
  if (cursor.trouble !== undefined) state.trouble = cursor.trouble
  return state
}
