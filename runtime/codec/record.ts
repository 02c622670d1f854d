/**
 * The Kafka protocol binding of CloudEvents 1.0 (`bindings/kafka-protocol-binding.md`): reads both
 * content modes, writes binary mode, as Knative does. Names and values are UTF-8 without any escaping.
 */
import type { AppendRecord, Bytes, LogRecord } from '../contract/broker.ts'
import type { Attributes, Event } from '../contract/event.ts'
import { attributeName, attributeNameAt } from './attribute-name.ts'
import { AttributeReader, headerText } from './attribute-reader.ts'
import { canonicalText, checkValue, twice } from './attributes.ts'
import { invalidEvent, shown, unsupportedMediaType } from './event-error.ts'
import { eventData, explicitContentType } from './event-data.ts'
import { decodeJson } from './json-format.ts'
import { contentModeOf, JSON_EVENT_TYPE, sameMediaType } from './media-type.ts'

/**
 * Reads the event of a record; its data is a view of the record's value. Throws `FN_EVENT_INVALID`, or
 * `FN_EVENT_UNSUPPORTED_MEDIA_TYPE` for an event format other than JSON and for batches, which this
 * binding does not have.
 *
 * A null value is an event without data (3.2.2). So is an empty value under a JSON content type: zero
 * bytes are no JSON text, and are what clients that cannot write null send for "no data". Under any
 * other type an empty value is empty data.
 */
export function decodeRecord(record: LogRecord): Event {
  const contentType = contentTypeOf(record.headers)
  switch (contentModeOf(contentType)) {
    case 'binary':
      return decodeBinary(record, contentType)
    case 'structured':
      return decodeStructured(record)
    case 'batch':
      throw unsupportedMediaType(
        `A record holds one event, but its content-type is ${shown(contentType)}; write one record an event`,
      )
    case 'unsupported':
      throw unsupportedMediaType(
        `Event format ${shown(contentType)} is not supported; write ${JSON_EVENT_TYPE} or ce_ headers`,
      )
  }
}

/**
 * The record of an event, in binary mode. The key is the `partitionkey` attribute, which also stays an
 * attribute (3.1); an event without data has a null value.
 */
export function encodeRecord(event: Event, topic: string): AppendRecord {
  const { attributes, data } = event
  const headers: Array<readonly [string, Bytes]> = []
  for (const name in attributes) {
    const value = attributes[name]
    if (value === undefined || name === 'datacontenttype') continue
    headers.push([attributeName(name).recordHeader, canonicalText(value)])
  }
  const contentType = explicitContentType(attributes.datacontenttype, data)
  if (contentType !== undefined) headers.push(['content-type', contentType])
  return {
    topic,
    key: partitionKeyOf(attributes) ?? null,
    value: data === undefined ? null : data.bytes,
    headers,
    partitionBy: partitionText(attributes),
  }
}

/**
 * The text that chooses an event's partition: its `partitionkey`, or else source and id, so that an
 * event that is sent again meets the first one.
 */
export function partitionText(attributes: Readonly<Attributes>): string {
  return partitionKeyOf(attributes) ?? `${attributes.source}\0${attributes.id}`
}

/** An empty key would draw everything into one partition; the extension forbids it, so it counts as none. */
function partitionKeyOf(attributes: Readonly<Attributes>): string | undefined {
  const key = attributes['partitionkey']
  return key === undefined || key === '' ? undefined : canonicalText(key)
}

type Headers = LogRecord['headers']

const CONTENT_TYPE = Buffer.from('content-type')
const DATA_CONTENT_TYPE = attributeName('datacontenttype')
const PREFIX_LENGTH = 'ce_'.length

/** Used from `begin` to `finish` within one call, so all decoding can share it. */
const reader = new AttributeReader()

function decodeBinary({ headers, value }: LogRecord, contentType: string | undefined): Event {
  let declaredType: string | undefined
  let contentTypes = 0
  let attributeCount = 0
  reader.begin()
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i] as Headers[number]
    const name = header[0]
    const bytes = header[1]
    // A null header value is an attribute that is not set.
    if (bytes === null) continue
    if (isAttributeHeader(name)) {
      attributeCount++
      const attribute = attributeNameAt(name, PREFIX_LENGTH, name.length)
      if (attribute !== DATA_CONTENT_TYPE) reader.header(attribute, bytes)
      else if (declaredType === undefined) declaredType = headerText('ce_datacontenttype', bytes)
      else throw twice('datacontenttype')
    } else if (isContentType(name) && ++contentTypes > 1) {
      throw twice('datacontenttype')
    }
  }
  if (attributeCount === 0) throw noEvent()
  const type = agreedType(contentType, declaredType)
  if (type !== undefined) reader.value(DATA_CONTENT_TYPE, checkValue('datacontenttype', type))
  const attributes = reader.finish()
  if (value === null) return { attributes, data: undefined }
  const data = eventData(type, value)
  return { attributes, data: value.length === 0 && data.kind === 'json' ? undefined : data }
}

function decodeStructured({ value }: LogRecord): Event {
  if (value === null) {
    throw invalidEvent(`A record of content-type ${JSON_EVENT_TYPE} has no value to hold the event`)
  }
  return decodeJson(value)
}

/** A topic's records have few content types, mostly one: the last is kept with its text. */
let lastBytes = Buffer.alloc(0)
let lastText = ''

/** The first one decides the mode; a second one is refused when a binary-mode record is read. */
function contentTypeOf(headers: Headers): string | undefined {
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i] as Headers[number]
    const bytes = header[1]
    if (bytes === null || !isContentType(header[0])) continue
    if (!sameBytes(bytes, lastBytes)) {
      lastText = headerText('content-type', bytes)
      lastBytes = Buffer.from(bytes)
    }
    return lastText
  }
  return undefined
}

function isAttributeHeader(name: Buffer): boolean {
  return name[0] === 0x63 && name[1] === 0x65 && name[2] === 0x5f
}

function isContentType(name: Buffer): boolean {
  return sameBytes(name, CONTENT_TYPE)
}

/** By hand: for a few bytes `Buffer.equals` costs more to call than to do. */
function sameBytes(left: Buffer, right: Buffer): boolean {
  const length = left.length
  if (right.length !== length) return false
  for (let i = 0; i < length; i++) if (left[i] !== right[i]) return false
  return true
}

/**
 * `ce_datacontenttype` has no place in a record (3.2.1), but the JavaScript SDK writes it beside
 * `content-type`. It is read as long as the two agree.
 */
function agreedType(contentType?: string, declared?: string): string | undefined {
  if (contentType === undefined || declared === undefined) return contentType ?? declared
  if (sameMediaType(contentType, declared)) return contentType
  throw invalidEvent(
    `Header ce_datacontenttype is ${shown(declared)} and content-type is ${shown(contentType)}; ` +
      'send content-type only',
  )
}

function noEvent(): Error {
  return invalidEvent(
    'The record is no CloudEvent: it has neither ce_ headers nor ' +
      `the content-type ${JSON_EVENT_TYPE}`,
  )
}
