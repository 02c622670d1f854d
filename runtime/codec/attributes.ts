/**
 * The rules of context attributes: CloudEvents core 1.0, "Context Attributes" and "Type System". What
 * passes is kept as written: no value is repaired, completed or made canonical.
 */
import type { Attributes, AttributeValue } from '../contract/event.ts'
import { attributeName } from './attribute-name.ts'
import { invalidEvent, shown } from './event-error.ts'
import { mediaType } from './media-type.ts'
import { isTimestamp } from './timestamp.ts'

/** Attributes while they are being read. */
export type OpenAttributes = Partial<Attributes> & Record<string, AttributeValue | undefined>

const MAX_INTEGER = 2_147_483_647
const MIN_INTEGER = -2_147_483_648

/**
 * Checks what a stranger gave and returns it as attributes, in the same order. `null` and `undefined`
 * mean unset and are left out. Throws `FN_EVENT_INVALID` that names the attribute, its value, and what
 * was expected. `source` is not held to the characters of a URI reference: no implementation is.
 */
export function checkAttributes(raw: Readonly<Record<string, unknown>>): Attributes {
  const attributes: OpenAttributes = {}
  for (const key of Object.keys(raw)) {
    const value = raw[key]
    if (value === null || value === undefined) continue
    const { name } = attributeName(key)
    setAttribute(attributes, name, checkValue(name, value))
  }
  return requireAttributes(attributes)
}

/** As `checkAttributes` for attributes that are not yet a whole event, in place. */
export function checkGivenAttributes(given: Readonly<Record<string, unknown>>): void {
  for (const key of Object.keys(given)) {
    const value = given[key]
    if (value === null || value === undefined) continue
    const { name } = attributeName(key)
    checkMeaning(name, checkValue(name, value))
  }
}

/** A value as header text. Core 1.0, "Type System", canonical string encodings. */
export function canonicalText(value: AttributeValue): string {
  return typeof value === 'string' ? value : String(value)
}

/** Checks a value's type, range and characters; what the value means is `setAttribute`'s matter. */
export function checkValue(name: string, value: unknown): AttributeValue {
  switch (typeof value) {
    case 'string':
      return checkText(name, value)
    case 'boolean':
      return value
    case 'number':
      return checkInteger(name, value)
    default:
      throw unfit(name, value, 'a string, an integer or a boolean')
  }
}

/** Sets an attribute whose `checkValue` is done, holding it to its own rules; once only. */
export function setAttribute(
  attributes: OpenAttributes,
  name: string,
  value: AttributeValue,
): void {
  if (Object.hasOwn(attributes, name)) throw twice(name)
  checkMeaning(name, value)
  attributes[name] = value
}

/** Holds a value whose `checkValue` is done to the rules of the attribute that it is for. */
export function checkMeaning(name: string, value: AttributeValue): void {
  const expected = expectation(name, value)
  if (expected !== undefined) throw unfit(name, value, expected)
}

/** Throws unless the four attributes that every event has are there. */
export function requireAttributes(attributes: OpenAttributes): Attributes {
  if (
    attributes.specversion === undefined ||
    attributes.id === undefined ||
    attributes.source === undefined ||
    attributes.type === undefined
  ) {
    throw missing(attributes)
  }
  return attributes as Attributes
}

/** What the attribute's own rule wants, or `undefined` where the value meets it. */
function expectation(name: string, value: AttributeValue): string | undefined {
  switch (name) {
    case 'specversion':
      return value === '1.0' ? undefined : '"1.0"'
    case 'id':
    case 'source':
    case 'type':
    case 'subject':
      return typeof value === 'string' && value !== '' ? undefined : 'a string that is not empty'
    case 'time':
      return typeof value === 'string' && isTimestamp(value)
        ? undefined
        : 'an RFC 3339 timestamp such as 2026-01-02T03:04:05Z'
    case 'dataschema':
      return isAbsoluteUri(value)
        ? undefined
        : 'an absolute URI such as https://example.com/schema.json'
    case 'datacontenttype':
      return typeof value === 'string' && mediaType(value) !== undefined
        ? undefined
        : 'a media type such as application/json'
    default:
      return undefined
  }
}

export function isAbsoluteUri(value: AttributeValue): boolean {
  return typeof value === 'string' && ABSOLUTE_URI.test(value)
}

/** RFC 3986 section 4.3, with the fragment that schema addresses often have. */
const ABSOLUTE_URI =
  /^[a-z][a-z0-9+.-]*:(?:[a-z0-9._~!$&'()*+,;=:@/?[\]-]|%[0-9a-f]{2})+(?:#(?:[a-z0-9._~!$&'()*+,;=:@/?-]|%[0-9a-f]{2})*)?$/i

const PRINTABLE = /^[\x20-\x7e]*$/
/** Control characters, unpaired surrogates and noncharacters: core 1.0, "Type System", String. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u

function checkText(name: string, value: string): string {
  if (PRINTABLE.test(value)) return value
  const found = FORBIDDEN.exec(value)
  if (!found) return value
  const code = (found[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  throw unfit(name, value, `a string without the character U+${code} (at ${found.index})`)
}

function checkInteger(name: string, value: number): number {
  if (!Number.isInteger(value) || value > MAX_INTEGER || value < MIN_INTEGER) {
    throw unfit(name, value, `an integer from ${MIN_INTEGER} to ${MAX_INTEGER}`)
  }
  // There is no negative zero among the Integers; -0 would come back as 0 from every binding.
  return value === 0 ? 0 : value
}

export function twice(name: string): Error {
  return invalidEvent(`Attribute "${name}" occurs twice; send it once`)
}

export function unfit(name: string, value: unknown, expected: string): Error {
  return invalidEvent(`Attribute "${name}" is ${shown(value)}; expected ${expected}`)
}

function missing(attributes: OpenAttributes): Error {
  const names = ['specversion', 'id', 'source', 'type'].filter((name) => !attributes[name])
  return invalidEvent(
    `The event lacks ${names.map((name) => `"${name}"`).join(', ')}; every CloudEvent has ` +
      'specversion, id, source and type (headers ce-… over HTTP, ce_… in Kafka)',
  )
}
