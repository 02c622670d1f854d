/**
 * The JSON event format and the JSON batch format of CloudEvents 1.0 (`formats/json-format.md`).
 *
 * JSON data keeps its own text both ways. It is spliced into an envelope only after it has been scanned
 * as exactly one JSON value, so that no payload can add, close or replace a member around it; what does
 * not pass travels as `data_base64`, byte for byte.
 */
import { isUtf8 } from 'node:buffer'
import type { Attributes, AttributeValue, Event, EventData } from '../contract/event.ts'
import { isMillraceError } from '../errors.ts'
import {
  type AttributeName,
  attributeName,
  attributeNameAt,
  knownNameAt,
} from './attribute-name.ts'
import { AttributeReader } from './attribute-reader.ts'
import { checkValue, twice, unfit } from './attributes.ts'
import { invalidEvent, shown } from './event-error.ts'
import { eventData } from './event-data.ts'
import { arrayElements, isJsonText, objectMembers } from './json-scan.ts'
import { dataKindOf } from './media-type.ts'

/** Reads one event. Its data is a view of `bytes`. Throws `FN_EVENT_INVALID`. */
export function decodeJson(bytes: Buffer): Event {
  requireUtf8(bytes)
  return decodeObject(bytes, 0, bytes.length)
}

/** Reads a batch, `[]` included. One event that is wrong refuses the whole batch and says which. */
export function decodeJsonBatch(bytes: Buffer): Event[] {
  requireUtf8(bytes)
  const elements = arrayElements(bytes, 0, bytes.length)
  const events: Event[] = []
  for (let i = 0; i < elements.length; i += 2) {
    try {
      events.push(decodeObject(bytes, elements[i] as number, elements[i + 1] as number))
    } catch (error) {
      if (!isMillraceError(error)) throw error
      throw invalidEvent(`Event ${i / 2} of the batch (counted from 0): ${error.message}`, error)
    }
  }
  return events
}

export function encodeJson(event: Event): Buffer {
  return Buffer.concat(eventParts(event))
}

export function encodeJsonBatch(events: readonly Event[]): Buffer {
  const parts: Buffer[] = []
  for (const event of events) parts.push(parts.length === 0 ? OPEN : COMMA, ...eventParts(event))
  return Buffer.concat(parts.length === 0 ? [OPEN, CLOSE] : [...parts, CLOSE])
}

/** The attributes as the text of a JSON object; Integers and Booleans keep their type. */
export function attributesToJson(attributes: Readonly<Attributes>): string {
  return JSON.stringify(attributes)
}

const OPEN = Buffer.from('[')
const CLOSE = Buffer.from(']')
const COMMA = Buffer.from(',')
const END = Buffer.from('}')

function eventParts({ attributes, data }: Event): Buffer[] {
  const head = attributesToJson(attributes).slice(0, -1)
  if (data === undefined) return [Buffer.from(`${head}}`)]
  const { datacontenttype } = attributes
  if (isSpliceable(data, datacontenttype)) {
    return [Buffer.from(`${head},"data":`), data.bytes, END]
  }
  if (isStringData(data, datacontenttype)) {
    return [Buffer.from(`${head},"data":${JSON.stringify(data.bytes.toString('utf8'))}}`)]
  }
  return [Buffer.from(`${head},"data_base64":"${data.bytes.toString('base64')}"}`)]
}

/** Without a content type `data` is read as JSON, so JSON data may go there in that case too. */
function isSpliceable(data: EventData, datacontenttype: string | undefined): boolean {
  const declared = datacontenttype === undefined ? 'json' : dataKindOf(datacontenttype)
  return data.kind === 'json' && declared === 'json' && isJsonText(data.bytes)
}

function isStringData(data: EventData, datacontenttype: string | undefined): boolean {
  if (data.kind !== 'text' || datacontenttype === undefined) return false
  return dataKindOf(datacontenttype) !== 'json' && isUtf8(data.bytes)
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const UNDERSCORE = 0x5f
const LETTER_N = 0x6e

/** Used from `begin` to `finish` within one call, so all decoding can share it. */
const reader = new AttributeReader()

function decodeObject(bytes: Buffer, from: number, to: number): Event {
  const members = objectMembers(bytes, from, to)
  let data = -1
  let base64 = -1
  let unset: string[] | undefined
  reader.begin()
  for (let i = 0; i < members.length; i += 4) {
    const name = memberName(bytes, members[i] as number, members[i + 1] as number)
    const start = members[i + 2] as number
    const end = members[i + 3] as number
    if (name === 'data') data = onlyOnce(name, data, i)
    else if (name === 'data_base64') base64 = onlyOnce(name, base64, i)
    else if (bytes[start] === QUOTE) reader.jsonString(name, bytes, start + 1, end - 1)
    else if (bytes[start] === LETTER_N) (unset ??= []).push(name.name)
    else reader.value(name, scalar(name.name, bytes.toString('latin1', start, end)))
  }
  const attributes = reader.finish()
  if (unset) refuseDoubles(unset, attributes)
  const { datacontenttype } = attributes
  if (base64 >= 0) {
    const text = bytes.subarray(members[base64 + 2], members[base64 + 3])
    const decoded = base64Data(text, datacontenttype)
    if (decoded && data >= 0) {
      throw invalidEvent('The event has both "data" and "data_base64"; send one of them')
    }
    if (decoded) return { attributes, data: decoded }
  }
  if (data < 0) return { attributes, data: undefined }
  const text = bytes.subarray(members[data + 2], members[data + 3])
  return { attributes, data: memberData(text, datacontenttype) }
}

type MemberName = AttributeName | 'data' | 'data_base64'

function memberName(bytes: Buffer, start: number, end: number): MemberName {
  const length = end - start
  if (length === 4 && bytes.readUInt32BE(start) === 0x64617461) return 'data'
  if (length === 11 && bytes[start + 4] === UNDERSCORE) {
    if (bytes.toString('latin1', start, end) === 'data_base64') return 'data_base64'
  }
  return knownNameAt(bytes, start, end) ?? newName(bytes, start, end)
}

/** A name written with escapes is the same name: `"\u0069d"` is `id`, and a double of it. */
function newName(bytes: Buffer, start: number, end: number): MemberName {
  const json = bytes.toString('utf8', start - 1, end + 1)
  if (!json.includes('\\')) return attributeNameAt(bytes, start, end)
  const name = JSON.parse(json) as string
  return name === 'data' || name === 'data_base64' ? name : attributeName(name)
}

function onlyOnce(name: string, before: number, now: number): number {
  if (before >= 0) throw invalidEvent(`Member "${name}" occurs twice; send it once`)
  return now
}

/** `null` means unset (2.2), but the member is there all the same, and may be there only once. */
function refuseDoubles(unset: readonly string[], attributes: Attributes): void {
  for (const [i, name] of unset.entries()) {
    if (Object.hasOwn(attributes, name) || unset.indexOf(name) !== i) throw twice(name)
  }
}

/** An attribute that is no string. Only plain integers are numbers here (2.2): not 1.0, not 1e3. */
function scalar(name: string, json: string): AttributeValue {
  if (json === 'true') return true
  if (json === 'false') return false
  if (/^-?[0-9]+$/.test(json)) return checkValue(name, Number(json))
  const value = json.startsWith('{') ? {} : json.startsWith('[') ? [] : Number(json)
  throw unfit(name, value, 'a string, an integer or a boolean')
}

/** 3.1.2. `undefined` for `null`, which some encoders write where there is no binary data. */
function base64Data(json: Buffer, datacontenttype: string | undefined): EventData | undefined {
  if (json[0] === LETTER_N) return undefined
  const value: unknown = JSON.parse(json.toString('utf8'))
  if (typeof value !== 'string' || value.length % 4 !== 0 || !BASE64.test(value)) {
    throw invalidEvent(
      `Member "data_base64" is ${shown(value)}; expected Base64 with padding (RFC 4648 section 4)`,
    )
  }
  return eventData(datacontenttype, Buffer.from(value, 'base64'))
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** 3.1.2: a JSON value where the type is JSON or not given, else a string that holds the content. */
function memberData(json: Buffer, datacontenttype: string | undefined): EventData {
  if (datacontenttype === undefined || dataKindOf(datacontenttype) === 'json') {
    return { kind: 'json', bytes: json }
  }
  if (json[0] !== QUOTE) {
    throw invalidEvent(
      `Member "data" is ${shown(json.toString('utf8'))}, but datacontenttype is ` +
        `${shown(datacontenttype)}; expected a string, or a JSON content type`,
    )
  }
  if (!json.includes(BACKSLASH)) return { kind: 'text', bytes: json.subarray(1, -1) }
  const text = JSON.parse(json.toString('utf8')) as string
  if (!text.isWellFormed()) {
    throw invalidEvent(
      'Member "data" holds an unpaired surrogate, which is no text; send data_base64',
    )
  }
  return { kind: 'text', bytes: Buffer.from(text) }
}

function requireUtf8(bytes: Buffer): void {
  if (!isUtf8(bytes)) throw invalidEvent('The JSON is not UTF-8; RFC 8259 allows no other encoding')
}
