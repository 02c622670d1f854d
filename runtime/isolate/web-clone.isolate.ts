/**
 * `structuredClone` for what handlers hold: primitives, plain objects, arrays, Map, Set, Date, RegExp,
 * errors, buffers and their views, cycles included. Nothing can be transferred: there is nowhere to.
 */
import { NativeError, NativeMap, mapGet, mapSet, ownKeys } from './kernel-intrinsics.isolate.ts'
import { setGlobal } from './kernel-jail.isolate.ts'
import { DOMException } from './web-abort.isolate.ts'

type Seen = Map<unknown, unknown>

export function installClone(): void {
  setGlobal('structuredClone', (value: unknown, options?: { transfer?: unknown[] }): unknown => {
    if (options?.transfer !== undefined && options.transfer.length > 0) {
      throw new DOMException('nothing can be transferred in an isolate', 'DataCloneError')
    }
    return clone(value, new NativeMap())
  })
}

function clone(value: unknown, seen: Seen): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') refuse(`a ${typeof value}`)
  if (typeof value !== 'object' || value === null) return value
  const known = mapGet(seen, value)
  if (known !== undefined) return known
  const copy = emptyCopy(value)
  mapSet(seen, value, copy)
  if (value instanceof Map) {
    for (const [key, entry] of value)
      (copy as Map<unknown, unknown>).set(clone(key, seen), clone(entry, seen))
  } else if (value instanceof Set) {
    for (const entry of value) (copy as Set<unknown>).add(clone(entry, seen))
  } else if (!isWhole(value)) {
    const names = ownKeys(value)
    for (let index = 0; index < names.length; index++) {
      const name = names[index] as string
      ;(copy as Record<string, unknown>)[name] = clone(
        (value as Record<string, unknown>)[name],
        seen,
      )
    }
  }
  return copy
}

/** Copied in one step, with nothing inside to follow. */
function isWhole(value: object): boolean {
  return (
    value instanceof Date ||
    value instanceof RegExp ||
    value instanceof ArrayBuffer ||
    value instanceof NativeError ||
    ArrayBuffer.isView(value)
  )
}

function emptyCopy(value: object): object {
  if (Array.isArray(value)) return Object.assign([], { length: value.length })
  if (value instanceof Map) return new Map()
  if (value instanceof Set) return new Set()
  if (value instanceof Date) return new Date(value.getTime())
  if (value instanceof RegExp) return new RegExp(value.source, value.flags)
  if (value instanceof ArrayBuffer) return value.slice(0)
  if (value instanceof DataView) {
    const bytes = value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength)
    return new DataView(bytes)
  }
  if (ArrayBuffer.isView(value)) return (value as Uint8Array).slice()
  if (value instanceof NativeError) return cloneError(value)
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) {
    refuse(value.constructor.name)
  }
  return {}
}

function cloneError(error: Error): Error {
  const copy = new NativeError(error.message)
  copy.name = error.name
  if (error.stack !== undefined) copy.stack = error.stack
  return copy
}

function refuse(what: string): never {
  throw new DOMException(`${what} cannot be cloned`, 'DataCloneError')
}
