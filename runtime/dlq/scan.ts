/** Reads dead-letter topics from their start to their end as of now. */
import { isDeadLetterTopic } from '../broker/names.ts'
import type { LogRecord, ReadBatch, TopicPartition } from '../contract/broker.ts'
import type { LogReader } from '../contract/log-access.ts'
import { isMillraceError, MillraceError } from '../errors.ts'
import { readLetter, type Letter } from './letter.ts'
import { parseRef } from './ref.ts'

export interface PlacedLogRecord {
  at: TopicPartition
  record: LogRecord
}

/** All dead-letter topics, in the order of their names. */
export async function deadLetterTopics(reader: LogReader): Promise<string[]> {
  const topics = (await reader.topics()).map(({ topic }) => topic)
  return topics.filter(isDeadLetterTopic).toSorted()
}

/** Partition by partition, each in the order of the log. */
export async function* lettersOf(reader: LogReader, topic: string): AsyncGenerator<Letter, void> {
  for await (const { at, record } of recordsOf(reader, topic)) {
    const letter = readLetter(at, record)
    if (letter !== undefined) yield letter
  }
}

export async function* recordsOf(
  reader: LogReader,
  topic: string,
): AsyncGenerator<PlacedLogRecord, void> {
  const [info] = await reader.topics([topic])
  if (info === undefined) return
  const all = Array.from({ length: info.partitions }, (_, partition) => ({ topic, partition }))
  for (const { partition, start, end } of await reader.ranges(all)) {
    const at = { topic, partition }
    let position = start
    while (position < end) {
      const batch = await readFrom(reader, at, position)
      for (const record of batch.records) if (record.offset < end) yield { at, record }
      if (batch.next <= position) break
      position = batch.next
    }
  }
}

/** Goes on at the start of the log where retention has overtaken the reader. */
export async function readFrom(
  reader: LogReader,
  at: TopicPartition,
  from: number,
): Promise<ReadBatch> {
  try {
    return await reader.read(at, from)
  } catch (error) {
    if (!isMillraceError(error, 'FN_BROKER_OFFSET_OUT_OF_RANGE')) throw error
    const [range] = await reader.ranges([at])
    if (range === undefined || range.start <= from) throw error
    return reader.read(at, range.start)
  }
}

/** The record of a `ref`. Throws `FN_CLI_USAGE` for what is none, `FN_CLI_NOT_FOUND` when it is not there. */
export async function recordAt(reader: LogReader, ref: string): Promise<PlacedLogRecord> {
  const place = parseRef(ref)
  if (place === undefined) throw noRef(ref)
  const at = { topic: place.topic, partition: place.partition }
  try {
    const batch = await reader.read(at, place.offset, { maxBytes: 1 })
    const record = batch.records.find((one) => one.offset === place.offset)
    if (record !== undefined) return { at, record }
  } catch (error) {
    const gone =
      isMillraceError(error, 'FN_BROKER_OFFSET_OUT_OF_RANGE') ||
      isMillraceError(error, 'FN_BROKER_UNKNOWN_TOPIC')
    if (!gone) throw error
  }
  throw notFound(ref)
}

export function noRef(ref: string): MillraceError {
  return new MillraceError(
    'FN_CLI_USAGE',
    `"${ref}" is not of the form topic/partition/offset; fn dlq list prints each letter's`,
  )
}

export function notFound(ref: string): MillraceError {
  return new MillraceError(
    'FN_CLI_NOT_FOUND',
    `there is no dead letter ${ref}; fn dlq list shows those that are there`,
  )
}
