/**
 * Reads attributes that stand as bytes in a message. Making one string out of a few bytes costs a call
 * out of JavaScript each; so the values, which are nearly always printable ASCII, are gathered in one
 * place, become one string together, and are cut out of it.
 */
import { isUtf8 } from 'node:buffer'
import type { Attributes, AttributeValue } from '../contract/event.ts'
import type { AttributeName } from './attribute-name.ts'
import {
  checkMeaning,
  checkValue,
  type OpenAttributes,
  requireAttributes,
  twice,
} from './attributes.ts'
import { invalidEvent } from './event-error.ts'

/** More than the attributes of an ordinary event take; what does not fit is read one by one. */
const GATHERED_BYTES = 4_096

const BACKSLASH = 0x5c
/** A byte that is not printable anyway: headers have no escape character. */
const NONE = 0x7f

/** One at a time: `begin`, the values in order, `finish`. Nothing in between may yield. */
export class AttributeReader {
  readonly #gathered = Buffer.allocUnsafeSlow(GATHERED_BYTES)
  #length = 0
  /** Per attribute: its name, and where its gathered value ends or else the value itself. */
  readonly #names: AttributeName[] = []
  readonly #ends: number[] = []
  readonly #values: Array<AttributeValue | undefined> = []
  /** The arrays keep their room from event to event; this many entries are of the present one. */
  #count = 0

  begin(): void {
    this.#length = 0
    this.#count = 0
  }

  /** A header value. Throws `FN_EVENT_INVALID` unless it is UTF-8. */
  header(name: AttributeName, bytes: Buffer): void {
    if (this.#gather(bytes, 0, bytes.length, NONE)) this.#add(name, undefined)
    else this.value(name, checkValue(name.name, headerText(name.recordHeader, bytes)))
  }

  /** A JSON string: from behind its opening quote to its closing one. The bytes are UTF-8. */
  jsonString(name: AttributeName, bytes: Buffer, start: number, end: number): void {
    if (this.#gather(bytes, start, end, BACKSLASH)) {
      this.#add(name, undefined)
      return
    }
    const text = JSON.parse(bytes.toString('utf8', start - 1, end + 1)) as string
    this.value(name, checkValue(name.name, text))
  }

  /** A value whose type, range and characters are already checked. */
  value(name: AttributeName, value: AttributeValue): void {
    this.#add(name, value)
  }

  /** The attributes in the order they came. Throws where one is missing, double or not as it must be. */
  finish(): Attributes {
    const text = this.#gathered.toString('latin1', 0, this.#length)
    const attributes: OpenAttributes = {}
    let start = 0
    for (let i = 0; i < this.#count; i++) {
      const { name } = this.#names[i] as AttributeName
      const end = this.#ends[i] as number
      const value = this.#values[i] ?? text.slice(start, end)
      checkMeaning(name, value)
      attributes[name] = value
      start = end
    }
    // One count costs less than asking before each value whether it is there already.
    if (Object.keys(attributes).length < this.#count) throw twice(this.#firstDouble())
    return requireAttributes(attributes)
  }

  #firstDouble(): string {
    const names = this.#names.slice(0, this.#count).map(({ name }) => name)
    return names.find((name, i) => names.indexOf(name) < i) ?? ''
  }

  /** Takes the bytes in if all of them are printable ASCII other than `stop` and there is room. */
  #gather(bytes: Buffer, start: number, end: number, stop: number): boolean {
    const gathered = this.#gathered
    let at = this.#length
    if (end - start > GATHERED_BYTES - at) return false
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number
      if (byte < 0x20 || byte > 0x7e || byte === stop) return false
      gathered[at++] = byte
    }
    this.#length = at
    return true
  }

  #add(name: AttributeName, value: AttributeValue | undefined): void {
    const i = this.#count++
    this.#names[i] = name
    this.#ends[i] = this.#length
    this.#values[i] = value
  }
}

/** The text of a record header. Throws `FN_EVENT_INVALID` unless it is UTF-8. */
export function headerText(header: string, bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  const start = bytes.toString('hex', 0, 16)
  throw invalidEvent(`Header ${header} is not UTF-8 (its bytes begin ${start}); send UTF-8 text`)
}
