/**
 * Attribute names and the forms in which they are written. Every event carries the same few names, so
 * each is checked and spelled out once and then found again by its bytes.
 */
import { invalidEvent, shown } from './event-error.ts'

export interface AttributeName {
  readonly name: string
  /** Kafka record header: `ce_id`. */
  readonly recordHeader: string
  /** HTTP header: `ce-id`. */
  readonly httpHeader: string
  /** The name's own characters, for the search by bytes. */
  readonly bytes: Buffer
}

/** Names are cached up to here; a stream of made-up names beyond it only costs time, not memory. */
const MAX_CACHED = 1_024
/** Slots of the table by bytes: a power of two, roomy, so that two names seldom want the same one. */
const SLOT_COUNT = 4_096

const byText = new Map<string, AttributeName>()
const bySlot: Array<AttributeName | undefined> = Array.from({ length: SLOT_COUNT })

/** The attribute of this name. Throws `FN_EVENT_INVALID` for what may not be one (core 1.0, "Naming"). */
export function attributeName(name: string): AttributeName {
  return byText.get(name) ?? remember(name)
}

/** The same for a name that stands in a message as bytes from `start` to `end`. */
export function attributeNameAt(bytes: Buffer, start: number, end: number): AttributeName {
  return knownNameAt(bytes, start, end) ?? learn(bytes, start, end)
}

/** The same, but only for a name that was met before. */
export function knownNameAt(bytes: Buffer, start: number, end: number): AttributeName | undefined {
  const known = bySlot[slotOf(bytes, start, end)]
  return known !== undefined && sameBytes(known.bytes, bytes, start, end) ? known : undefined
}

function learn(bytes: Buffer, start: number, end: number): AttributeName {
  const found = attributeName(bytes.toString('utf8', start, end))
  const slot = slotOf(bytes, start, end)
  if (byText.has(found.name)) bySlot[slot] ??= found
  return found
}

function remember(text: string): AttributeName {
  checkName(text)
  // An object's key is V8's one copy of the string, which it compares and looks up by address.
  const [name = text] = Object.keys({ [text]: true })
  const made = {
    name,
    recordHeader: `ce_${name}`,
    httpHeader: `ce-${name}`,
    bytes: Buffer.from(name, 'latin1'),
  }
  if (byText.size < MAX_CACHED) byText.set(name, made)
  return made
}

function checkName(name: string): void {
  if (!/^[a-z0-9]+$/.test(name)) {
    throw invalidEvent(
      `Attribute name ${shown(name)} may hold only a-z and 0-9; rename the attribute`,
    )
  }
  if (name === 'data') {
    throw invalidEvent('"data" is no attribute name: it means the payload of an event')
  }
}

/** The length and three characters tell the names in use apart; the bytes decide. */
function slotOf(bytes: Buffer, start: number, end: number): number {
  const length = end - start
  const first = bytes[start] ?? 0
  const middle = bytes[start + (length >> 1)] ?? 0
  const last = bytes[end - 1] ?? 0
  return (length * 31 + first * 131 + middle * 1_031 + last * 8_209) & (SLOT_COUNT - 1)
}

function sameBytes(name: Buffer, bytes: Buffer, start: number, end: number): boolean {
  const length = name.length
  if (end - start !== length) return false
  for (let i = 0; i < length; i++) if (name[i] !== bytes[start + i]) return false
  return true
}
