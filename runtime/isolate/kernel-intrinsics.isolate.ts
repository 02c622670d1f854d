/**
 * The language's own functions, taken before any handler code runs, so that what a handler replaces or
 * pollutes later does not reach the kernel.
 *
 * Rules for all kernel files: call methods through these; define all fields of a class (a missing one
 * is looked up on prototypes); no `for…of` and no spread of arrays over kernel data; add to lists by
 * links, never by index (a setter on `Array.prototype` would see it).
 */
type Method = (...args: never[]) => unknown

const bind = Function.prototype.bind
const call = Function.prototype.call
const uncurry = bind.bind(call) as unknown as <This, Args extends unknown[], Result>(
  method: (this: This, ...args: Args) => Result,
) => (self: This, ...args: Args) => Result

function methodOf<Owner extends object, Key extends keyof Owner>(owner: Owner, key: Key): Method {
  return owner[key] as unknown as Method
}

function getterOf(owner: object, key: PropertyKey): (self: unknown) => unknown {
  const getter = Object.getOwnPropertyDescriptor(owner, key)?.get
  if (getter === undefined) throw new TypeError(`no getter ${String(key)}`)
  return uncurry(getter as (this: unknown) => unknown)
}

export const jsonParse: (text: string) => unknown = JSON.parse
export const jsonStringify: (value: unknown) => string | undefined = JSON.stringify
export const dateNow: () => number = Date.now
export const { isArray } = Array
export const { defineProperty, getPrototypeOf, keys: ownKeys, create, freeze } = Object
export const { isFinite: isFiniteNumber, isInteger } = Number
export const { floor, min } = Math
export const reflectApply = Reflect.apply
export const ObjectPrototype: object = Object.prototype
export const StringOf = String
export const NativeError = Error
export const NativeTypeError = TypeError
export const NativeRangeError = RangeError
export const NativeMap = Map
export const NativeUint8Array = Uint8Array

export const slice = uncurry(methodOf(String.prototype, 'slice') as () => string) as unknown as (
  text: string,
  start: number,
  end?: number,
) => string
export const charCodeAt = uncurry(String.prototype.charCodeAt)
export const toLowerCase = uncurry(String.prototype.toLowerCase)
export const indexOf = uncurry(
  String.prototype.indexOf as (this: string, search: string, from?: number) => number,
)
export const endsWith = uncurry(
  String.prototype.endsWith as (this: string, search: string) => boolean,
)
export const trim = uncurry(String.prototype.trim)
export const toWellFormed = uncurry(String.prototype.toWellFormed)
export const fromCharCode: (...codes: number[]) => string = String.fromCharCode

export const mapGet = uncurry(Map.prototype.get) as <Value>(
  map: Map<unknown, Value>,
  key: unknown,
) => Value | undefined
export const mapSet = uncurry(Map.prototype.set) as <Value>(
  map: Map<unknown, Value>,
  key: unknown,
  value: Value,
) => unknown
export const mapDelete = uncurry(Map.prototype.delete) as (
  map: Map<unknown, unknown>,
  key: unknown,
) => boolean
export const mapSize = getterOf(Map.prototype, 'size') as (map: Map<unknown, unknown>) => number

const TypedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object
export const typedArrayTag = getterOf(TypedArrayPrototype, Symbol.toStringTag)
export const typedArrayLength = getterOf(TypedArrayPrototype, 'length') as (
  array: unknown,
) => number
export const arrayBufferLength = getterOf(ArrayBuffer.prototype, 'byteLength') as (
  buffer: unknown,
) => number

export const iteratorSymbol: typeof Symbol.iterator = Symbol.iterator
export const asyncIteratorSymbol: typeof Symbol.asyncIterator = Symbol.asyncIterator

export { uncurry, getterOf }

/** A JSON string literal; of a primitive, so no `toJSON` is looked up. */
export function quote(text: string): string {
  return jsonStringify(text) as string
}

/** `text`, cut to `limit` units with a mark where it was longer. */
export function capped(text: string, limit: number): string {
  return text.length <= limit ? text : slice(text, 0, limit - 1) + '…'
}
