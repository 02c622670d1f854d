/**
 * The record of a dead letter: the event as it was, with why it failed.
 *
 * Knative's attributes are written as its Kafka broker writes them
 * (eventing-kafka-broker, `RecordDispatcherImpl`), so that its readers need no change. What we add
 * stands in headers outside `ce_`, because it is not part of the event.
 */
import type { AppendRecord } from '../contract/broker.ts'
import type { DeadLetter } from '../contract/delivery.ts'
import type { AttributeValue, Event } from '../contract/event.ts'
import { triggerName } from '../contract/manifest.ts'
import type { Fault } from '../contract/outcome.ts'

/** Knative cuts the body of an error to 1,024 bytes before base64. */
const MAX_ERROR_DATA_BYTES = 1_024
/** What a dead letter adds must always fit: an event may be `maxEventBytes` itself. */
const MAX_STACK_BYTES = 8 * 1024
const MAX_MESSAGE_BYTES = 8 * 1024

export const DEAD_LETTER_HEADERS = {
  code: 'millrace-code',
  class: 'millrace-class',
  message: 'millrace-message',
  stack: 'millrace-stack',
  attempts: 'millrace-attempts',
  firstAt: 'millrace-first-at',
  lastAt: 'millrace-last-at',
  trigger: 'millrace-trigger',
  function: 'millrace-function',
  version: 'millrace-function-version',
  origin: 'millrace-origin',
} as const

export interface DeadLetterOptions {
  /** Dead-letter topic of the trigger's group. */
  topic: string
  /** Version of the function that failed. */
  version: string
  /** `encodeRecord` of the codec. */
  encode(event: Event, topic: string): AppendRecord
}

export function deadLetterRecord(cause: DeadLetter, options: DeadLetterOptions): AppendRecord {
  const { trigger, fault, event, record } = cause
  const added: Record<string, AttributeValue> = {
    knativeerrordest: `/${trigger.namespace}/functions/${trigger.function}`,
    knativeerrorcode: knativeCode(fault),
    knativeerrordata: cut(`${fault.class}: ${fault.message}`, MAX_ERROR_DATA_BYTES).toString(
      'base64',
    ),
  }
  const encoded = options.encode(
    { attributes: { ...event.attributes, ...added }, data: event.data },
    options.topic,
  )
  return {
    ...encoded,
    key: record.key,
    partitionBy: record.key ?? encoded.partitionBy,
    headers: [...encoded.headers, ...ownHeaders(cause, options.version)],
  }
}

function ownHeaders(
  { trigger, fault, attempts, firstFailedAt, topic, partition, record }: DeadLetter,
  version: string,
): AppendRecord['headers'] {
  const headers: Array<[string, string | Buffer]> = [
    [DEAD_LETTER_HEADERS.code, fault.code],
    [DEAD_LETTER_HEADERS.class, fault.class],
    [DEAD_LETTER_HEADERS.message, cut(fault.message, MAX_MESSAGE_BYTES)],
    [DEAD_LETTER_HEADERS.attempts, String(attempts)],
    [DEAD_LETTER_HEADERS.firstAt, new Date(firstFailedAt).toISOString()],
    [DEAD_LETTER_HEADERS.lastAt, new Date().toISOString()],
    [DEAD_LETTER_HEADERS.trigger, triggerName(trigger)],
    [DEAD_LETTER_HEADERS.function, trigger.function],
    [DEAD_LETTER_HEADERS.version, version],
    [DEAD_LETTER_HEADERS.origin, `${topic}/${partition}/${record.offset}`],
  ]
  if (fault.stack !== undefined) {
    headers.push([DEAD_LETTER_HEADERS.stack, cut(fault.stack, MAX_STACK_BYTES)])
  }
  return headers
}

/** Knative's code is the HTTP status of the subscriber; readers of dead letters expect a number. */
function knativeCode(fault: Fault): string {
  switch (fault.code) {
    case 'FN_HANDLER_TIMEOUT':
      return '504'
    case 'FN_DATA_INVALID':
    case 'FN_HANDLER_DEAD_LETTER':
      return '422'
    default:
      return '500'
  }
}

/** At most `maxBytes` of UTF-8, never half a character. */
function cut(text: string, maxBytes: number): Buffer {
  const bytes = Buffer.from(text)
  if (bytes.length <= maxBytes) return bytes
  let end = maxBytes
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}
