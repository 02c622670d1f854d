/** From whatever a handler threw to texts with caps. Every property read may run the handler's code. */
import {
  NativeError,
  StringOf,
  capped,
  isFiniteNumber,
  quote,
  toWellFormed,
} from './kernel-intrinsics.isolate.ts'

const MAX_CLASS = 100
const MAX_MESSAGE = 2_000
/** The supervisor maps the stack and caps it again. */
const MAX_STACK = 8_000
const MAX_WAIT_MS = 2 ** 31 - 1

/** `author/errors.ts` marks its errors with it: names are lost when a bundler shortens them. */
const OUTCOME: unique symbol = Symbol.for('millrace.outcome') as never

/** A fault that the kernel itself finds. */
export class KernelFault {
  readonly code: string
  readonly errorClass: string
  readonly message: string
  readonly #mark = true

  constructor(code: string, errorClass: string, message: string) {
    this.code = code
    this.errorClass = errorClass
    this.message = message
  }

  static is(value: unknown): value is KernelFault {
    return typeof value === 'object' && value !== null && #mark in value
  }
}

/** What reading `event.data` throws when its JSON does not parse. */
export class InvalidData extends NativeError {
  readonly #mark = true

  constructor(message: string) {
    super(message)
    this.name = 'InvalidData'
  }

  static is(value: unknown): value is InvalidData {
    return typeof value === 'object' && value !== null && #mark in value
  }
}

export interface FaultText {
  /** `drop` ends the event without a fault. */
  code: string | 'drop'
  errorClass: string
  message: string
  stack: string
  retryAfterMs: number
}

export function describe(thrown: unknown): FaultText {
  if (KernelFault.is(thrown)) {
    return fault(thrown.code, thrown.errorClass, thrown.message, '', -1)
  }
  if (typeof thrown !== 'object' || thrown === null) return primitive(thrown)
  const code = InvalidData.is(thrown) ? 'FN_DATA_INVALID' : 'FN_HANDLER_THREW'
  const errorClass = text(thrown, 'name') ?? 'Object'
  const message = text(thrown, 'message') ?? 'an object was thrown that is no Error'
  const stack = text(thrown, 'stack') ?? ''
  switch (text(thrown, OUTCOME)) {
    case 'retry':
      return fault('FN_HANDLER_RETRY', errorClass, message, stack, wait(thrown))
    case 'drop':
      return fault('drop', errorClass, message, '', -1)
    case 'dead-letter':
      return fault('FN_HANDLER_DEAD_LETTER', errorClass, message, stack, -1)
    default:
      return fault(code, errorClass, message, stack, -1)
  }
}

/** `"code","class","message","stack",retryAfterMs` */
export function faultFields(of: FaultText): string {
  return `${quote(of.code)},${quote(of.errorClass)},${quote(of.message)},${quote(of.stack)},${of.retryAfterMs}`
}

function primitive(thrown: unknown): FaultText {
  const type = thrown === null ? 'null' : typeof thrown
  let shown: string
  try {
    shown = typeof thrown === 'function' ? 'a function' : StringOf(thrown)
  } catch {
    shown = type
  }
  const message = type === shown ? `${type} was thrown` : `${shown} (a ${type}) was thrown`
  return fault('FN_HANDLER_THREW', type, message, '', -1)
}

function text(thrown: object, key: PropertyKey): string | undefined {
  try {
    const value = (thrown as Record<PropertyKey, unknown>)[key]
    return typeof value === 'string' ? value : undefined
  } catch {
    // A getter that throws, or a revoked proxy: the error is described without this part.
    return undefined
  }
}

function wait(thrown: object): number {
  try {
    const value = (thrown as { afterMs?: unknown }).afterMs
    if (typeof value !== 'number' || !isFiniteNumber(value) || value < 0) return -1
    return value > MAX_WAIT_MS ? MAX_WAIT_MS : value
  } catch {
    return -1
  }
}

function fault(
  code: string,
  errorClass: string,
  message: string,
  stack: string,
  retryAfterMs: number,
): FaultText {
  return {
    code,
    errorClass: toWellFormed(capped(errorClass, MAX_CLASS)),
    message: toWellFormed(capped(message, MAX_MESSAGE)),
    stack: toWellFormed(capped(stack, MAX_STACK)),
    retryAfterMs,
  }
}
