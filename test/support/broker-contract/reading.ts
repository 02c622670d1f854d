import assert from 'node:assert/strict'
import type { Broker, LogRecord, TopicPartition } from '../../../runtime/contract/broker.ts'
import { eventually } from '../eventually.ts'

/** Reads the partition from `from` to the end that it has when the reading gets there. */
export async function readToEnd(
  broker: Broker,
  at: TopicPartition,
  from = 0,
  maxBytes?: number,
): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  const options = maxBytes === undefined ? {} : { maxBytes }
  for (let position = from; ;) {
    const batch = await broker.read(at, position, options)
    records.push(...batch.records)
    if (batch.next >= batch.end) return records
    if (batch.next <= position) throw new Error(`Reading stands still at ${position}`)
    position = batch.next
  }
}

export function textsOf(records: readonly LogRecord[]): string[] {
  return records.map((record) => String(record.value))
}

/** Waits until the log has dropped what stands before `start`. */
export async function startsAt(broker: Broker, at: TopicPartition, start: number): Promise<void> {
  await eventually(async () => {
    assert.equal((await broker.ranges([at]))[0]?.start, start)
    return true
  }, `${at.topic}/${at.partition} starts at ${start}`)
}
