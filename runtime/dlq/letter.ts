/** A dead letter as read from its topic, without its data. */
import { decodeRecord } from '../codec/record.ts'
import type { LogRecord, TopicPartition } from '../contract/broker.ts'
import type { DeadLetterState } from '../contract/dead-letter-state.ts'
import { isMillraceError } from '../errors.ts'
import { DEAD_LETTER_HEADERS, headerText } from './headers.ts'
import { parseRef, refOf, type RecordPlace } from './ref.ts'

export interface Letter {
  /** `topic/partition/offset` of the dead letter. */
  ref: string
  place: RecordPlace
  /** When it was written, in ms since the epoch. */
  writtenAt: number
  key: Buffer | null
  /** Size of the record's value. */
  bytes: number
  /** `namespace/name`; empty where another writer did not say. */
  trigger: string
  function: string
  /** Of a flow: the step that failed, `namespace/name`. */
  step: string | undefined
  id: string
  source: string
  type: string
  code: string
  attempts: number
  /** RFC 3339. */
  firstAt: string
  lastAt: string
  error: { class: string; message: string }
  origin: RecordPlace | undefined
  /** `ref` of the letter that was replayed and failed again as this one. */
  replayOf: string | undefined
  /** `ref` of the letter whose data was edited. */
  edited: string | undefined
}

export type LetterState = 'open' | DeadLetterState['state']

/** Undefined for a record that is no event: not ours. */
export function readLetter(at: TopicPartition, record: LogRecord): Letter | undefined {
  let attributes
  try {
    attributes = decodeRecord(record).attributes
  } catch (error) {
    if (isMillraceError(error)) return undefined
    throw error
  }
  const text = (name: string): string => headerText(record, name) ?? ''
  return {
    ref: refOf(at, record.offset),
    place: { topic: at.topic, partition: at.partition, offset: record.offset },
    writtenAt: record.timestamp,
    // Copies: a record is a slice of its whole fetch.
    key: record.key === null ? null : Buffer.from(record.key),
    bytes: record.value?.length ?? 0,
    trigger: text(DEAD_LETTER_HEADERS.trigger),
    function: text(DEAD_LETTER_HEADERS.function),
    step: headerText(record, DEAD_LETTER_HEADERS.step),
    id: attributes.id,
    source: attributes.source,
    type: attributes.type,
    code: text(DEAD_LETTER_HEADERS.code),
    attempts: Number(text(DEAD_LETTER_HEADERS.attempts)),
    firstAt: text(DEAD_LETTER_HEADERS.firstAt),
    lastAt: text(DEAD_LETTER_HEADERS.lastAt),
    error: { class: text(DEAD_LETTER_HEADERS.class), message: text(DEAD_LETTER_HEADERS.message) },
    origin: parseRef(text(DEAD_LETTER_HEADERS.origin)),
    replayOf: headerText(record, DEAD_LETTER_HEADERS.replayOf),
    edited: headerText(record, DEAD_LETTER_HEADERS.edited),
  }
}

/** In the order in which the events came into the broker; what does not say it stands where it lies. */
export function inOriginOrder(a: Letter, b: Letter): number {
  const [left, right] = [a.origin ?? a.place, b.origin ?? b.place]
  if (left.topic !== right.topic) return left.topic < right.topic ? -1 : 1
  return (
    left.partition - right.partition ||
    left.offset - right.offset ||
    a.place.offset - b.place.offset
  )
}
