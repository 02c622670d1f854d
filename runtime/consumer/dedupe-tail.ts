/**
 * Fills a `Dedupe` after a restart from the partition's own tail: the log is the only store, so that
 * nothing can disagree with it.
 */
import type { Broker, LogRecord, TopicPartition } from '../contract/broker.ts'
import type { Event } from '../contract/event.ts'
import { isMillraceError } from '../errors.ts'
import type { Dedupe } from './dedupe.ts'
import { decodeFinished } from './finished-offsets.ts'
import type { Progress } from './watermark.ts'

export interface TailOptions {
  broker: Pick<Broker, 'read' | 'ranges' | 'offsetsAt'>
  at: TopicPartition
  /** What former runs have ended. */
  progress: Progress
  dedupe: Dedupe
  decode: (record: LogRecord) => Event
  /** Whether the event was for this trigger. */
  matches: (event: Event) => boolean
  signal: AbortSignal
}

const READ_MAX_BYTES = 4 * 1024 * 1024

export async function readTail(options: TailOptions): Promise<void> {
  const { broker, at, progress, dedupe, signal } = options
  const finishedAbove = decodeFinished(progress.offset, progress.metadata)
  const end = finishedAbove.at(-1)?.[1] ?? progress.offset
  const [range] = await broker.ranges([at])
  const [since] = await broker.offsetsAt([at], (await goesOnAt(options)) - dedupe.options.windowMs)
  let position = Math.max(since?.offset ?? 0, range?.start ?? 0)
  while (position < end && !signal.aborted) {
    const batch = await broker.read(at, position, { maxBytes: READ_MAX_BYTES, signal })
    for (const record of batch.records) {
      if (record.offset >= end) return
      const isEnded =
        record.offset < progress.offset ||
        finishedAbove.some(([from, to]) => record.offset >= from && record.offset < to)
      if (isEnded) restore(options, record)
    }
    if (batch.next <= position) return
    position = batch.next
  }
}

/** When the event was written with which the trigger goes on: it may have stood still for long. */
async function goesOnAt({ broker, at, progress, signal }: TailOptions): Promise<number> {
  const { records } = await broker.read(at, progress.offset, { maxBytes: 1, signal })
  return Math.min(Date.now(), records[0]?.timestamp ?? Number.POSITIVE_INFINITY)
}

function restore({ decode, matches, dedupe }: TailOptions, record: LogRecord): void {
  let event: Event
  try {
    event = decode(record)
  } catch (error) {
    if (isMillraceError(error)) return // no event, so no original either
    throw error
  }
  if (matches(event)) dedupe.restore(record, event)
}
