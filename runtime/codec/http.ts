/**
 * The HTTP protocol binding of CloudEvents 1.0 (`bindings/http-protocol-binding.md`), the same for
 * requests and responses: binary, structured and batched mode.
 */
import type { Event } from '../contract/event.ts'
import { attributeName } from './attribute-name.ts'
import {
  canonicalText,
  checkValue,
  type OpenAttributes,
  requireAttributes,
  setAttribute,
} from './attributes.ts'
import { invalidEvent, shown, unsupportedMediaType } from './event-error.ts'
import { eventData, explicitContentType } from './event-data.ts'
import { decodeHeaderText, encodeHeaderText } from './header-text.ts'
import { decodeJson, decodeJsonBatch, encodeJson, encodeJsonBatch } from './json-format.ts'
import { contentModeOf, JSON_BATCH_TYPE, JSON_EVENT_TYPE, sameMediaType } from './media-type.ts'

/**
 * Headers as Node gives them: `rawHeaders` (name, value, name, value, …), which alone shows a header
 * that was sent twice, or an object by name. Values have one character a byte.
 */
export type HttpHeaders =
  | readonly string[]
  | Readonly<Record<string, string | readonly string[] | undefined>>

export interface DecodedHttp {
  mode: 'binary' | 'structured' | 'batch'
  /** One, or in batch mode any number. */
  events: Event[]
}

export interface HttpMessage {
  headers: Record<string, string>
  /** `undefined` for an event without data in binary mode. */
  body: Buffer | undefined
}

/**
 * Reads the events of a message; their data are views of `body`. In binary mode an empty body is an
 * event without data: HTTP does not tell the two apart. Throws `FN_EVENT_INVALID`, and
 * `FN_EVENT_UNSUPPORTED_MEDIA_TYPE` for an event format other than JSON.
 */
export function decodeHttp(headers: HttpHeaders, body: Buffer): DecodedHttp {
  const { contentType, attributes } = split(headers)
  switch (contentModeOf(contentType)) {
    case 'structured':
      // Attributes may be repeated in headers (3.2.3); what counts is the payload.
      return { mode: 'structured', events: [decodeJson(body)] }
    case 'batch':
      return { mode: 'batch', events: decodeJsonBatch(body) }
    case 'unsupported':
      throw unsupportedMediaType(
        `Event format ${shown(contentType)} is not supported; ` +
          `send ${JSON_EVENT_TYPE}, ${JSON_BATCH_TYPE}, or binary mode with ce- headers`,
      )
    default:
      return { mode: 'binary', events: [decodeBinary(contentType, attributes, body)] }
  }
}

export function encodeHttpBinary(event: Event): HttpMessage {
  const { attributes, data } = event
  const headers: Record<string, string> = {}
  for (const name in attributes) {
    const value = attributes[name]
    if (value === undefined || name === 'datacontenttype') continue
    headers[attributeName(name).httpHeader] = encodeHeaderText(canonicalText(value))
  }
  const contentType = explicitContentType(attributes.datacontenttype, data)
  if (contentType !== undefined) headers['content-type'] = contentType
  return { headers, body: data?.bytes }
}

export function encodeHttpStructured(event: Event): HttpMessage {
  return {
    headers: { 'content-type': `${JSON_EVENT_TYPE}; charset=utf-8` },
    body: encodeJson(event),
  }
}

/** Only for a receiver that asked for batches (section 3). */
export function encodeHttpBatch(events: readonly Event[]): HttpMessage {
  return {
    headers: { 'content-type': `${JSON_BATCH_TYPE}; charset=utf-8` },
    body: encodeJsonBatch(events),
  }
}

interface SplitHeaders {
  contentType: string | undefined
  /** The ce- headers, as attribute name and raw value, one after the other. */
  attributes: string[]
}

const CE_HEADER = /^ce-/i

function split(headers: HttpHeaders): SplitHeaders {
  const found: SplitHeaders = { contentType: undefined, attributes: [] }
  if (isRaw(headers)) {
    for (let i = 0; i < headers.length; i += 2) {
      take(found, headers[i] as string, headers[i + 1] ?? '')
    }
    return found
  }
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    if (value === undefined) continue
    if (typeof value === 'string') take(found, name, value)
    else for (const one of value) take(found, name, one)
  }
  return found
}

function isRaw(headers: HttpHeaders): headers is readonly string[] {
  return Array.isArray(headers)
}

function take(found: SplitHeaders, name: string, value: string): void {
  if (CE_HEADER.test(name)) {
    found.attributes.push(name.slice('ce-'.length).toLowerCase(), value)
  } else if (name.length === 'content-type'.length && name.toLowerCase() === 'content-type') {
    if (found.contentType !== undefined) {
      throw invalidEvent('Header content-type occurs twice; send it once')
    }
    found.contentType = value
  }
}

function decodeBinary(
  contentType: string | undefined,
  headers: readonly string[],
  body: Buffer,
): Event {
  if (headers.length === 0) throw noEvent(contentType)
  const attributes: OpenAttributes = {}
  for (let i = 0; i < headers.length; i += 2) {
    const { name, httpHeader } = attributeName(headers[i] as string)
    const value = decodeHeaderText(httpHeader, headers[i + 1] as string)
    setAttribute(attributes, name, checkValue(name, value))
  }
  takeContentType(attributes, contentType)
  const whole = requireAttributes(attributes)
  const data = body.length === 0 ? undefined : eventData(whole.datacontenttype, body)
  return { attributes: whole, data }
}

/**
 * `ce-datacontenttype` must not be sent (3.1.1). Where it is, it has to say the same as Content-Type.
 */
function takeContentType(attributes: OpenAttributes, contentType: string | undefined): void {
  if (contentType === undefined) return
  const declared = attributes.datacontenttype
  if (declared === undefined) {
    setAttribute(attributes, 'datacontenttype', checkValue('datacontenttype', contentType))
  } else if (!sameMediaType(declared, contentType)) {
    throw invalidEvent(
      `Header ce-datacontenttype is ${shown(declared)} and content-type is ${shown(contentType)}; ` +
        'send content-type only',
    )
  } else {
    attributes.datacontenttype = contentType
  }
}

function noEvent(contentType: string | undefined): Error {
  const type =
    contentType === undefined ? 'no content-type' : `the content-type ${shown(contentType)}`
  return invalidEvent(
    `The message is no CloudEvent: it has no ce- headers and ${type}. Send the headers ` +
      `ce-specversion, ce-id, ce-source and ce-type with the data as the body, or one JSON event as ` +
      JSON_EVENT_TYPE,
  )
}
