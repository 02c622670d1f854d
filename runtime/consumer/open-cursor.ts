import type { AppendResult, TopicPartition } from '../contract/broker.ts'
import type { DeliveryChannel } from '../contract/delivery.ts'
import type { TriggerManifest } from '../contract/manifest.ts'
import type { OwnedPartitionOptions } from './consumer-options.ts'
import { Cursor } from './cursor.ts'
import type { Dedupe } from './dedupe.ts'
import type { WriterEntry } from './partition-writer.ts'
import type { StartingPoint } from './starting-points.ts'

export interface CursorPlace {
  start: StartingPoint
  dedupe?: Dedupe | undefined
  /** A channel of the same trigger whose lanes it shares. */
  beside: DeliveryChannel | undefined
}

interface OpenCursorOptions extends CursorPlace {
  options: OwnedPartitionOptions
  /** Writes output and progress of a trigger with `exactlyOnce`. */
  transact: (entry: WriterEntry) => Promise<AppendResult[]>
  onRoom: (cursor: Cursor) => void
}

/** A cursor with its way to the subscriber. */
export function openCursor(
  trigger: TriggerManifest,
  at: TopicPartition,
  { start, dedupe, beside, options, transact, onRoom }: OpenCursorOptions,
): Cursor {
  const { openChannel, ledger, limits, isPaused } = options
  const cursor: Cursor = new Cursor({
    trigger,
    ...at,
    from: start.from,
    ledger: ledger(trigger),
    maxUnfinished: limits.maxUnfinishedOffsets,
    dedupe,
    open: (listener) =>
      openChannel({
        trigger,
        ...at,
        ...listener,
        ...(beside === undefined ? {} : { beside }),
        ...(trigger.delivery.exactlyOnce
          ? { transact: (output) => transact({ cursor, ...output }) }
          : {}),
      }),
    onRoom: () => onRoom(cursor),
  })
  cursor.committed = start.committed ?? start.from
  cursor.paused = isPaused(trigger)
  cursor.trouble = start.trouble
  cursor.troublePasses = start.passing === true
  return cursor
}
