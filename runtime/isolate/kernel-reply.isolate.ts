/** From what a handler returned to reply rows, or the fault that says what was wrong with it. */
import {
  NativeMap,
  ObjectPrototype,
  charCodeAt,
  endsWith,
  getPrototypeOf,
  indexOf,
  isArray,
  isInteger,
  iteratorSymbol,
  jsonStringify,
  mapGet,
  mapSet,
  mapSize,
  ownKeys,
  quote,
  slice,
  toLowerCase,
  toWellFormed,
  trim,
  typedArrayLength,
} from './kernel-intrinsics.isolate.ts'
import { bytesToBase64 } from './kernel-base64.isolate.ts'
import { isBytes } from './kernel-event.isolate.ts'
import { KernelFault } from './kernel-faults.isolate.ts'
import { DATA } from './kernel-protocol.ts'

const MAX_REPLIES = 1_000
const MAX_REPLY_UNITS = 1024 * 1024
const MAX_REPLIES_UNITS = 8 * 1024 * 1024
const MAX_INTEGER = 2 ** 31 - 1

/** `"name":` of each attribute name that was found good; a function uses few. */
const goodNames: Map<unknown, string> = new NativeMap()
const MAX_GOOD_NAMES = 1_000

/** The replies of one event as they are collected. */
export class Replies {
  /** `[attributes,DATA,units],…` */
  rows = ''
  texts = ''
  #count = 0

  /** Adds one reply. Throws a `KernelFault`, or whatever a getter or `toJSON` of the reply throws. */
  add(reply: unknown): void {
    if (this.#count === MAX_REPLIES) {
      throw tooLarge(`more than ${MAX_REPLIES} replies to one event`)
    }
    const where = this.#count === 0 ? 'the reply' : `reply ${this.#count}`
    const object = checkedObject(reply, where)
    const names = ownKeys(object)
    let head = ''
    let data: unknown
    let type: unknown
    let mediaType: unknown
    for (let index = 0; index < names.length; index++) {
      const name = names[index] as string
      const value = object[name]
      if (name === 'data') {
        data = value
      } else if (value !== undefined && value !== null) {
        if (name === 'type') type = value
        else if (name === 'datacontenttype') mediaType = value
        head += (head === '' ? '{' : ',') + attribute(name, value, where)
      }
    }
    if (typeof type !== 'string' || type === '') throw invalid(`${where} has no type`)
    this.#append(head + '}', encodeData(data, mediaType, where), where)
  }

  #append(head: string, data: EncodedData, where: string): void {
    const units = head.length + data.text.length
    if (units > MAX_REPLY_UNITS) {
      throw tooLarge(`${where} has more than ${MAX_REPLY_UNITS} characters`)
    }
    if (this.texts.length + this.rows.length + units > MAX_REPLIES_UNITS) {
      throw tooLarge(`the replies to one event have more than ${MAX_REPLIES_UNITS} characters`)
    }
    const row = `[${head},${data.kind},${data.text.length}]`
    this.rows = this.#count === 0 ? row : this.rows + ',' + row
    this.texts += data.text
    this.#count++
  }

  /** Adds all that a handler returned, other than an async iterable. */
  addAll(value: unknown): void {
    if (value === undefined || value === null) return
    if (isArray(value)) {
      for (let index = 0; index < value.length; index++) this.add(value[index])
      return
    }
    if (typeof value === 'object' && iteratorSymbol in value && !isBytes(value)) {
      for (const reply of value as Iterable<unknown>) this.add(reply)
      return
    }
    this.add(value)
  }
}

function checkedObject(reply: unknown, where: string): Record<string, unknown> {
  if (typeof reply !== 'object' || reply === null || isArray(reply)) {
    throw invalid(`${where} is ${nameOf(reply)}; return an object with a type, or nothing`)
  }
  const prototype = getPrototypeOf(reply) as unknown
  if (prototype !== ObjectPrototype && prototype !== null) {
    throw invalid(`${where} is an instance of a class; return a plain object, such as { ...it }`)
  }
  return reply as Record<string, unknown>
}

/** `"name":value` */
function attribute(name: string, value: unknown, where: string): string {
  let start = mapGet(goodNames, name)
  if (start === undefined) {
    if (!isAttributeName(name)) {
      throw invalid(
        `${where} has the attribute "${name}"; names are lower-case letters and digits, payload goes into data`,
      )
    }
    start = `"${name}":`
    if (mapSize(goodNames) < MAX_GOOD_NAMES) mapSet(goodNames, name, start)
  }
  if (typeof value === 'string') return start + quote(value)
  if (typeof value === 'boolean' || (isInteger(value) && within(value as number))) {
    return `${start}${value as number | boolean}`
  }
  throw invalid(
    `${where} has ${nameOf(value)} as attribute "${name}"; give a text, a whole number of 32 bits or a boolean`,
  )
}

/** CloudEvents 1.0, "Naming Conventions": lower-case ASCII letters and digits. */
function isAttributeName(name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    const code = charCodeAt(name, index)
    if (!((code >= 97 && code <= 122) || (code >= 48 && code <= 57))) return false
  }
  return name !== ''
}

function within(value: number): boolean {
  return value <= MAX_INTEGER && value >= -MAX_INTEGER - 1
}

interface EncodedData {
  kind: number
  text: string
}

function encodeData(data: unknown, mediaType: unknown, where: string): EncodedData {
  if (data === undefined) return { kind: DATA.none, text: '' }
  if (typeof data === 'string') {
    if (data.length > MAX_REPLY_UNITS) {
      throw tooLarge(`${where} has more than ${MAX_REPLY_UNITS} characters`)
    }
    if (!isJson(mediaType)) return { kind: DATA.text, text: toWellFormed(data) }
  } else if (isBytes(data)) {
    const length = typedArrayLength(data)
    if (length > MAX_REPLY_UNITS) throw tooLarge(`${where} has ${length} bytes`)
    return { kind: DATA.base64, text: bytesToBase64(data, length) }
  }
  let text: string | undefined
  try {
    text = jsonStringify(data)
  } catch (error) {
    throw invalid(`the data of ${where} is no JSON: ${messageOf(error)}`)
  }
  if (text === undefined) throw invalid(`the data of ${where} is ${nameOf(data)}, which is no JSON`)
  return { kind: DATA.json, text }
}

/** As the codec decides it: no media type, `…/json` and `…+json` are JSON. */
function isJson(mediaType: unknown): boolean {
  if (mediaType === undefined || mediaType === 'application/json') return true
  if (typeof mediaType !== 'string') return false
  const end = indexOf(mediaType, ';')
  const essence = toLowerCase(trim(end < 0 ? mediaType : slice(mediaType, 0, end)))
  return endsWith(essence, '/json') || endsWith(essence, '+json')
}

export function nameOf(value: unknown): string {
  if (value === null) return 'null'
  if (isArray(value)) return 'an array'
  const type = typeof value
  return type === 'object' || type === 'undefined' ? `an ${type}` : `a ${type}`
}

function messageOf(error: unknown): string {
  const message =
    typeof error === 'object' && error !== null ? (error as { message?: unknown }).message : error
  return typeof message === 'string' ? message : 'it cannot be serialised'
}

function invalid(message: string): KernelFault {
  return new KernelFault('FN_HANDLER_INVALID_REPLY', 'InvalidReply', message)
}

function tooLarge(message: string): KernelFault {
  return new KernelFault('FN_HANDLER_REPLY_TOO_LARGE', 'ReplyTooLarge', message)
}
