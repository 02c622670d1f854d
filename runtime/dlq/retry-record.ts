/** The record of a replayed event, for the retry topic of the one trigger that failed. */
import { decodeRecord, partitionText } from '../codec/record.ts'
import type { AppendRecord, LogRecord } from '../contract/broker.ts'
import { DEAD_LETTER_HEADERS, headerText, isKnativeError, isOwnHeader } from './headers.ts'
import { parseRef } from './ref.ts'

export interface RetryTopic {
  topic: string
  partitions: number
}

/** A step that takes dead letters; see `DEAD_LETTER_SINK` of the flows. */
const SINK = /[/.]dead-letter-sink$/

/** The original event again: its key, its bytes, its headers, and where it comes from. */
export function retryRecord(ref: string, letter: LogRecord, to: RetryTopic): AppendRecord {
  const origin = headerText(letter, DEAD_LETTER_HEADERS.origin)
  const edited = headerText(letter, DEAD_LETTER_HEADERS.edited)
  const added: Array<readonly [string, string]> = [[DEAD_LETTER_HEADERS.replayOf, ref]]
  if (origin !== undefined) added.push([DEAD_LETTER_HEADERS.origin, origin])
  if (edited !== undefined) added.push([DEAD_LETTER_HEADERS.edited, edited])
  const step = headerText(letter, DEAD_LETTER_HEADERS.step)
  if (step !== undefined) added.push([DEAD_LETTER_HEADERS.step, step])
  const place = origin === undefined ? undefined : parseRef(origin)
  const extensions = headerText(letter, DEAD_LETTER_HEADERS.extensions)?.split(' ') ?? []
  return {
    topic: to.topic,
    key: letter.key,
    value: letter.value,
    headers: [...letter.headers.filter(([name]) => isOriginal(name, extensions, step)), ...added],
    partitionBy:
      place === undefined
        ? (letter.key ?? partitionText(decodeRecord(letter).attributes))
        : place.partition % to.partitions,
  }
}

/** What is the event's own, not its dead letter's. A dead-letter sink's event says why it failed before. */
function isOriginal(name: Buffer, extensions: readonly string[], step = ''): boolean {
  const text = name.toString()
  if (isOwnHeader(text)) return false
  if (!text.startsWith(ATTRIBUTE)) return true
  const attribute = text.slice(ATTRIBUTE.length)
  if (isKnativeError(attribute)) return SINK.test(step)
  return !extensions.includes(attribute)
}

const ATTRIBUTE = 'ce_'
