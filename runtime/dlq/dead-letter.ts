/**
 * The record of a dead letter: the event as it was, with why it failed.
 *
 * Knative's attributes are written as its Kafka broker writes them
 * (eventing-kafka-broker, `RecordDispatcherImpl`), so that its readers need no change. What we add
 * stands in headers outside `ce_`, because it is not part of the event.
 */
import type { AppendRecord, LogRecord } from '../contract/broker.ts'
import type { DeadLetter, FailedStep } from '../contract/delivery.ts'
import type { AttributeValue, Event } from '../contract/event.ts'
import { triggerName } from '../contract/manifest.ts'
import { subscriberName } from '../contract/subscriber.ts'
import type { Fault, FaultResponse } from '../contract/outcome.ts'
import {
  DEAD_LETTER_HEADERS,
  headerText,
  isEventHeader,
  isKnativeError,
  isOwnHeader,
} from './headers.ts'
import { parseRef } from './ref.ts'

/** Knative cuts the body of an error to 1,024 bytes before base64. */
const MAX_ERROR_DATA_BYTES = 1_024
const MAX_DEST_BYTES = 2_048
/** What a dead letter adds must always fit: an event may be `maxEventBytes` itself. */
const MAX_STACK_BYTES = 8 * 1024
const MAX_MESSAGE_BYTES = 8 * 1024
const MAX_CLASS_BYTES = 1_024
/** Attribute that names the step of a flow at which the event failed. */
const STEP = 'fnstep'

export interface DeadLetterOptions {
  /** Dead-letter topic of the trigger's group. */
  topic: string
  /** Version of the function that failed. */
  version: string
  /** `encodeRecord` of the codec. */
  encode(event: Event, topic: string): AppendRecord
}

export function deadLetterRecord(cause: DeadLetter, options: DeadLetterOptions): AppendRecord {
  const { event, record, step } = cause
  const added = step?.keepsErrors ? {} : errorAttributes(cause)
  if (step !== undefined) added[STEP] = step.name
  const encoded = options.encode(
    { attributes: { ...event.attributes, ...added }, data: event.data },
    options.topic,
  )
  return {
    ...encoded,
    key: record.key,
    value: originalValue(cause, encoded.value),
    partitionBy: record.key ?? encoded.partitionBy,
    headers: [
      ...record.headers.filter(([name]) => isForeign(name)),
      ...encoded.headers,
      ...ownHeaders(cause, options.version),
      ...extensionsHeader(Object.keys(added)),
    ],
  }
}

/** The event for a dead-letter sink: as it was, with why it failed as Knative says it. */
export function sinkRecord(
  cause: DeadLetter,
  options: Omit<DeadLetterOptions, 'version'>,
): AppendRecord {
  const { attributes, data } = cause.event
  return options.encode(
    { attributes: { ...attributes, ...errorAttributes(cause) }, data },
    options.topic,
  )
}

function errorAttributes(cause: DeadLetter): Record<string, AttributeValue> {
  const { fault, event } = cause
  if (fault.response !== undefined) return responseAttributes(fault.response, event)
  return {
    knativeerrordest: destOf(failedAt(cause)),
    knativeerrorcode: knativeCode(fault),
    knativeerrordata: cut(`${fault.class}: ${fault.message}`, MAX_ERROR_DATA_BYTES).toString(
      'base64',
    ),
  }
}

function destOf({ namespace, subscriber }: Failed): string {
  const name = subscriberName(subscriber)
  return subscriber.kind === 'http' ? name : `/${namespace}/functions/${name}`
}

type Failed = Pick<FailedStep, 'namespace' | 'subscriber'>

/** Who could not handle it: a step of a flow, or the trigger's own subscriber. */
function failedAt({ step, trigger }: DeadLetter): Failed {
  return step ?? trigger
}

/** Without an answer only the address is known. */
function responseAttributes(
  { dest, status, body, extensions = {} }: FaultResponse,
  { attributes }: Event,
): Record<string, AttributeValue> {
  const added: Record<string, AttributeValue> = {
    knativeerrordest: cut(dest, MAX_DEST_BYTES).toString(),
  }
  if (status !== undefined) added['knativeerrorcode'] = String(status)
  if (body !== undefined) added['knativeerrordata'] = body
  for (const [name, value] of Object.entries(extensions)) {
    // A subscriber that passes events on may know better where they failed; what the event says stays.
    if (isKnativeError(name) || attributes[name] === undefined) added[name] = value
  }
  return added
}

/** So that a replay can take off what is not the event's. */
function extensionsHeader(
  added: readonly string[],
): Array<readonly [name: string, value: string | Buffer]> {
  const names = added.filter((name) => !isKnativeError(name))
  return names.length === 0 ? [] : [[DEAD_LETTER_HEADERS.extensions, names.join(' ')]]
}

/** An empty value of a JSON type is an event without data, but the record had bytes: none. */
function originalValue({ record }: DeadLetter, encoded: AppendRecord['value']): typeof encoded {
  return encoded === null && record.value?.length === 0 ? record.value : encoded
}

/** Not part of the event, and not what an earlier failure of the same event said. */
function isForeign(name: Buffer): boolean {
  const text = name.toString()
  return !isEventHeader(text) && !isOwnHeader(text)
}

function ownHeaders(
  cause: DeadLetter,
  version: string,
): Array<readonly [name: string, value: string | Buffer]> {
  const { trigger, fault, attempts, firstFailedAt, step } = cause
  const headers: Array<readonly [string, string | Buffer]> = [
    [DEAD_LETTER_HEADERS.code, fault.code],
    [DEAD_LETTER_HEADERS.class, cut(fault.class, MAX_CLASS_BYTES)],
    [DEAD_LETTER_HEADERS.message, cut(fault.message, MAX_MESSAGE_BYTES)],
    [DEAD_LETTER_HEADERS.attempts, String(attempts)],
    [DEAD_LETTER_HEADERS.firstAt, new Date(firstFailedAt).toISOString()],
    [DEAD_LETTER_HEADERS.lastAt, new Date().toISOString()],
    [DEAD_LETTER_HEADERS.trigger, triggerName(trigger)],
    [DEAD_LETTER_HEADERS.function, subscriberName(failedAt(cause).subscriber)],
    [DEAD_LETTER_HEADERS.version, version],
    [DEAD_LETTER_HEADERS.origin, originOf(cause)],
  ]
  if (step !== undefined) {
    headers.push([DEAD_LETTER_HEADERS.step, `${step.namespace}/${step.name}`])
  }
  if (fault.stack !== undefined) {
    headers.push([DEAD_LETTER_HEADERS.stack, cut(fault.stack, MAX_STACK_BYTES)])
  }
  for (const name of [DEAD_LETTER_HEADERS.replayOf, DEAD_LETTER_HEADERS.edited]) {
    const text = replayedHeader(cause, name)
    if (text !== undefined) headers.push([name, text])
  }
  return headers
}

/** Where the event came into the broker, also when it failed again after a replay. */
function originOf(cause: DeadLetter): string {
  const given = replayedHeader(cause, DEAD_LETTER_HEADERS.origin)
  return given ?? `${cause.topic}/${cause.partition}/${sourceOf(cause).offset}`
}

/** Only a replay's word counts: anyone may write such a header into the broker's own topic. */
function replayedHeader(cause: DeadLetter, name: string): string | undefined {
  if (cause.topic === cause.trigger.topic) return undefined
  const text = headerText(sourceOf(cause), name)
  return text !== undefined && parseRef(text) !== undefined ? text : undefined
}

function sourceOf({ cause, record }: DeadLetter): LogRecord {
  return cause ?? record
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
