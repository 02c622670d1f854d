/** What a trigger has to know of a partition before its first event: dead letters that hold keys back, duplicates. */
import type { Broker, LogRecord, TopicPartition } from '../contract/broker.ts'
import type { Event } from '../contract/event.ts'
import type { Logger } from '../contract/log.ts'
import type { TriggerManifest } from '../contract/manifest.ts'
import { backOff } from '../backoff.ts'
import type { Cursor } from './cursor.ts'
import { readTail } from './dedupe-tail.ts'

export interface RestoreOptions {
  broker: Broker
  at: TopicPartition
  decode: (record: LogRecord, at: TopicPartition) => Event
  match: (topic: string, event: Event) => readonly TriggerManifest[]
  /** The partition is given up. */
  signal: AbortSignal
  log: Logger
}

/** Tries until it succeeds; false when the cursor is needed no longer. */
export async function restored(cursor: Cursor, options: RestoreOptions): Promise<boolean> {
  const { at, signal, log } = options
  for (let turn = 0; !signal.aborted && !cursor.closed; turn++) {
    try {
      await cursor.channel.restore()
      await restoreDedupe(cursor, options)
      return true
    } catch (error) {
      if (signal.aborted) return false
      log.warn({ ...at, error: String(error) }, 'what ended cannot be read; trying again')
      await backOff(turn, signal)
    }
  }
  return false
}

async function restoreDedupe(
  { dedupe, watermark, trigger }: Cursor,
  { broker, at, decode, match, signal }: RestoreOptions,
): Promise<void> {
  if (dedupe === undefined) return
  await readTail({
    broker,
    at,
    progress: watermark.progress(),
    dedupe,
    decode: (record) => decode(record, at),
    matches: (event) => match(at.topic, event).includes(trigger),
    signal,
  })
}
