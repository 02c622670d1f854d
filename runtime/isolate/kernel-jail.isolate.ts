/**
 * Takes from the global object what a handler must not have. Runs after the kernel and the web APIs
 * have taken what they need, and before any code of the function.
 */
import { defineProperty } from './kernel-intrinsics.isolate.ts'

/** Enough for a handler's own frames; the supervisor maps and caps them. */
const STACK_FRAMES = 30

const REMOVED = [
  // Memory outside the isolate's limit, and clocks finer than a millisecond.
  'WebAssembly',
  'SharedArrayBuffer',
  'Atomics',
  // Callbacks that run outside a pump's time limit.
  'FinalizationRegistry',
  'WeakRef',
  // Code from strings.
  'eval',
] as const

export function lockUp(): void {
  const global = globalThis as Record<string, unknown>
  for (const name of REMOVED) delete global[name]
  refuseFunctionConstructors()
  refuseResizableBuffers()
  fixStackTraces()
  // Without this a `then` or `toJSON` on Object.prototype would stand in every reply of every event.
  Object.preventExtensions(Object.prototype)
}

function refuseFunctionConstructors(): void {
  const prototypes = [
    Object.getPrototypeOf(function () {}),
    Object.getPrototypeOf(async function () {}),
    Object.getPrototypeOf(function* () {}),
    Object.getPrototypeOf(async function* () {}),
  ] as object[]
  const refuse = function Function(): never {
    throw new EvalError('code from strings is not available in an isolate')
  }
  // `x instanceof Function` has to go on working.
  defineProperty(refuse, 'prototype', { value: prototypes[0], writable: false })
  for (const prototype of prototypes) {
    defineProperty(prototype, 'constructor', {
      value: refuse,
      writable: false,
      enumerable: false,
      configurable: false,
    })
  }
  setGlobal('Function', refuse)
}

/** A resizable buffer's reservation is not counted against the isolate's memory limit. */
function refuseResizableBuffers(): void {
  const Native = ArrayBuffer
  const construct = Reflect.construct
  const Checked = function ArrayBuffer(length: number, options?: { maxByteLength?: number }) {
    if (new.target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'")
    if (typeof options === 'object' && options !== null && options.maxByteLength !== undefined) {
      throw new RangeError('resizable buffers are not available in an isolate')
    }
    return construct(Native, [length], new.target)
  }
  defineProperty(Checked, 'prototype', { value: Native.prototype, writable: false })
  defineProperty(Checked, 'isView', {
    value: Native.isView,
    writable: true,
    configurable: true,
    enumerable: false,
  })
  defineProperty(Checked, Symbol.species, {
    configurable: true,
    get(this: unknown) {
      return this
    },
  })
  Object.setPrototypeOf(Checked, Object.getPrototypeOf(Native) as object)
  defineProperty(Native.prototype, 'constructor', {
    value: Checked,
    writable: true,
    configurable: true,
    enumerable: false,
  })
  delete (Native.prototype as { resize?: unknown }).resize
  setGlobal('ArrayBuffer', Checked)
}

/** A hook in the making of stacks would run wherever an error is described. Setting it does nothing. */
function fixStackTraces(): void {
  defineProperty(Error, 'prepareStackTrace', {
    get: () => undefined,
    set: () => {},
    enumerable: false,
    configurable: false,
  })
  ;(Error as unknown as { stackTraceLimit: number }).stackTraceLimit = STACK_FRAMES
}

export function setGlobal(name: string, value: unknown): void {
  defineProperty(globalThis, name, {
    value,
    writable: true,
    enumerable: false,
    configurable: true,
  })
}
