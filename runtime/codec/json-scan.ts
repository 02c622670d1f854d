/**
 * Scans JSON texts (RFC 8259) without building them: finds where the members of an object, or the
 * elements of an array, begin and end, and holds the whole text to the grammar on the way. So a payload
 * keeps its own bytes (large numbers, member order, spacing), and nothing reaches another JSON text
 * before it is known to be exactly one value.
 *
 * The scanner does not look at UTF-8: test the bytes with `isUtf8` before. It is iterative, so depth
 * costs one bit a level and cannot overflow the stack.
 */
import { isUtf8 } from 'node:buffer'
import { invalidEvent } from './event-error.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const BRACKET_OPEN = 0x5b
const BACKSLASH = 0x5c
const BRACKET_CLOSE = 0x5d
const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d

/** True when the bytes are exactly one JSON value in UTF-8, with nothing but white space around it. */
export function isJsonText(bytes: Buffer): boolean {
  if (!isUtf8(bytes)) return false
  const end = valueEnd(bytes, skipSpace(bytes, 0, bytes.length), bytes.length)
  return end >= 0 && skipSpace(bytes, end, bytes.length) === bytes.length
}

/**
 * The members of the JSON object that stands between `from` and `to`: for each four numbers, the start
 * and end of its name (without the quotes) and of its value. Throws `FN_EVENT_INVALID` with the place
 * of the fault.
 */
export function objectMembers(bytes: Buffer, from: number, to: number): number[] {
  let at = opened(bytes, { from, to, open: BRACE_OPEN, what: 'object' })
  const members: number[] = []
  if (bytes[at] === BRACE_CLOSE && at < to) return closed(bytes, at + 1, to, members)
  for (;;) {
    if (at >= to || bytes[at] !== QUOTE) throw fault(at, 'a member name')
    const nameEnd = sound(stringEnd(bytes, at + 1, to), to)
    members.push(at + 1, nameEnd - 1)
    at = skipSpace(bytes, nameEnd, to)
    if (at >= to || bytes[at] !== COLON) throw fault(at, '":"')
    at = skipSpace(bytes, at + 1, to)
    const end = sound(valueEnd(bytes, at, to), to)
    members.push(at, end)
    at = skipSpace(bytes, end, to)
    const next = at < to ? bytes[at] : undefined
    if (next === BRACE_CLOSE) return closed(bytes, at + 1, to, members)
    if (next !== COMMA) throw fault(at, '"," or "}"')
    at = skipSpace(bytes, at + 1, to)
  }
}

/** The elements of the JSON array that stands between `from` and `to`: start and end of each. */
export function arrayElements(bytes: Buffer, from: number, to: number): number[] {
  let at = opened(bytes, { from, to, open: BRACKET_OPEN, what: 'array' })
  const elements: number[] = []
  if (bytes[at] === BRACKET_CLOSE && at < to) return closed(bytes, at + 1, to, elements)
  for (;;) {
    const end = sound(valueEnd(bytes, at, to), to)
    elements.push(at, end)
    at = skipSpace(bytes, end, to)
    const next = at < to ? bytes[at] : undefined
    if (next === BRACKET_CLOSE) return closed(bytes, at + 1, to, elements)
    if (next !== COMMA) throw fault(at, '"," or "]"')
    at = skipSpace(bytes, at + 1, to)
  }
}

function opened(
  bytes: Buffer,
  text: { from: number; to: number; open: number; what: string },
): number {
  const at = skipSpace(bytes, text.from, text.to)
  if (at >= text.to) throw invalidEvent(`Expected a JSON ${text.what}, but there are no bytes`)
  if (bytes[at] !== text.open) throw fault(at, `a JSON ${text.what}`)
  return skipSpace(bytes, at + 1, text.to)
}

function closed(bytes: Buffer, at: number, to: number, found: number[]): number[] {
  const end = skipSpace(bytes, at, to)
  if (end !== to) throw fault(end, 'the end of the JSON text')
  return found
}

function sound(end: number, to: number): number {
  if (end >= 0) return end
  const at = -1 - end
  throw at >= to
    ? invalidEvent(`The JSON text is cut off at byte ${to}`)
    : fault(at, 'another character')
}

function fault(at: number, expected: string): Error {
  return invalidEvent(`Not valid JSON at byte ${at}: expected ${expected}`)
}

function skipSpace(bytes: Buffer, from: number, end: number): number {
  let at = from
  while (at < end) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break
    at++
  }
  return at
}

/** The containers that are open: one bit each, 1 for an object, 31 of them in the word at hand. */
const LEVELS_PER_WORD = 31

/**
 * The end of the value that begins at `from`, or, where the grammar is broken, -1 minus the place.
 * White space must have been skipped.
 */
function valueEnd(bytes: Buffer, from: number, end: number): number {
  let at = from
  let depth = 0
  let word = 0
  let words: number[] | undefined
  for (;;) {
    const byte = at < end ? bytes[at] : undefined
    if (byte === BRACE_OPEN || byte === BRACKET_OPEN) {
      const isObject = byte === BRACE_OPEN
      at = skipSpace(bytes, at + 1, end)
      if (at < end && bytes[at] === (isObject ? BRACE_CLOSE : BRACKET_CLOSE)) {
        at++
      } else {
        if (depth > 0 && depth % LEVELS_PER_WORD === 0) {
          ;(words ??= []).push(word)
          word = 0
        }
        depth++
        word = (word << 1) | (isObject ? 1 : 0)
        if (isObject) at = nameEnd(bytes, at, end)
        if (at < 0) return at
        continue
      }
    } else {
      at = scalarEnd(bytes, at, end)
      if (at < 0) return at
    }
    // A value has ended: close what it closes, then go on to the next one.
    for (;;) {
      if (depth === 0) return at
      at = skipSpace(bytes, at, end)
      const next = at < end ? bytes[at] : undefined
      const inObject = (word & 1) === 1
      if (next === COMMA) {
        at = skipSpace(bytes, at + 1, end)
        if (inObject) at = nameEnd(bytes, at, end)
        if (at < 0) return at
        break
      }
      if (next !== (inObject ? BRACE_CLOSE : BRACKET_CLOSE)) return -1 - at
      at++
      depth--
      word >>>= 1
      if (depth > 0 && depth % LEVELS_PER_WORD === 0) word = words?.pop() ?? 0
    }
  }
}

/** From a member's name to where its value begins. */
function nameEnd(bytes: Buffer, from: number, end: number): number {
  if (from >= end || bytes[from] !== QUOTE) return -1 - from
  const close = stringEnd(bytes, from + 1, end)
  if (close < 0) return close
  const colon = skipSpace(bytes, close, end)
  if (colon >= end || bytes[colon] !== COLON) return -1 - colon
  return skipSpace(bytes, colon + 1, end)
}

function scalarEnd(bytes: Buffer, from: number, end: number): number {
  switch (from < end ? bytes[from] : undefined) {
    case QUOTE:
      return stringEnd(bytes, from + 1, end)
    case 0x74:
      return literalEnd(bytes, from, end, 'true')
    case 0x66:
      return literalEnd(bytes, from, end, 'false')
    case 0x6e:
      return literalEnd(bytes, from, end, 'null')
    default:
      return numberEnd(bytes, from, end)
  }
}

/** From behind the opening quote to behind the closing one. */
function stringEnd(bytes: Buffer, from: number, end: number): number {
  let at = from
  while (at < end) {
    const byte = bytes[at] as number
    if (byte === QUOTE) return at + 1
    if (byte < 0x20) return -1 - at
    if (byte === BACKSLASH) {
      const next = escapeEnd(bytes, at + 1, end)
      if (next < 0) return next
      at = next
    } else {
      at++
    }
  }
  return -1 - end
}

function escapeEnd(bytes: Buffer, from: number, end: number): number {
  if (from >= end) return -1 - end
  switch (bytes[from]) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // the solidus
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return from + 1
    case 0x75: // u
      for (let at = from + 1; at < from + 5; at++) {
        if (at >= end || !isHexDigit(bytes[at] as number)) return -1 - at
      }
      return from + 5
    default:
      return -1 - from
  }
}

function isHexDigit(byte: number): boolean {
  const lower = byte | 0x20
  return (byte >= ZERO && byte <= NINE) || (lower >= 0x61 && lower <= 0x66)
}

function literalEnd(bytes: Buffer, from: number, end: number, literal: string): number {
  for (let i = 0; i < literal.length; i++) {
    if (from + i >= end || bytes[from + i] !== literal.charCodeAt(i)) return -1 - from - i
  }
  return from + literal.length
}

function numberEnd(bytes: Buffer, from: number, end: number): number {
  let at = from
  if (at < end && bytes[at] === MINUS) at++
  if (at < end && bytes[at] === ZERO) at++
  else at = digitsEnd(bytes, at, end)
  if (at >= 0 && at < end && bytes[at] === POINT) at = digitsEnd(bytes, at + 1, end)
  if (at >= 0 && at < end && ((bytes[at] as number) | 0x20) === 0x65) {
    const sign = bytes[at + 1]
    at = digitsEnd(bytes, sign === MINUS || sign === 0x2b ? at + 2 : at + 1, end)
  }
  return at
}

/** At least one digit. */
function digitsEnd(bytes: Buffer, from: number, end: number): number {
  let at = from
  while (at < end && (bytes[at] as number) >= ZERO && (bytes[at] as number) <= NINE) at++
  return at === from ? -1 - from : at
}
