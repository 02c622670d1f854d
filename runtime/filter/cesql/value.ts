/** CESQL's three types and the casts between them (CloudEvents SQL 1.0, section 3.7). */
import type { CesqlValue } from './ast.ts'

/** As CloudEvents SQL 1.0, section 3.3 names them; a parse error is thrown before anything is evaluated. */
export type CesqlErrorKind =
  | 'math'
  | 'cast'
  | 'missingAttribute'
  | 'missingFunction'
  | 'functionEvaluation'

/** An error, and the value that the expression has beside it. Never changed once made. */
export interface Failure {
  kind: CesqlErrorKind
  message: string
  value: CesqlValue
}

export type Outcome = CesqlValue | Failure

const MIN_INTEGER = -2_147_483_648
const MAX_INTEGER = 2_147_483_647
const INTEGER = /^[+-]?\d+$/

export function isFailure(outcome: Outcome): outcome is Failure {
  return typeof outcome === 'object'
}

/** The same error as that of another operator or function, whose value without a result is `zero`. */
export function withValue(failure: Failure, zero: CesqlValue): Failure {
  return failure.value === zero ? failure : { ...failure, value: zero }
}

export function isInteger(value: number): boolean {
  return Number.isInteger(value) && value >= MIN_INTEGER && value <= MAX_INTEGER
}

export function toText(value: CesqlValue): string {
  return String(value)
}

export function toInteger(value: CesqlValue): number | Failure {
  if (typeof value === 'number') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  const integer = INTEGER.test(value) ? Number(value) : Number.NaN
  // `| 0` makes of -0, which JavaScript has and CESQL has not, a 0.
  return isInteger(integer) ? integer | 0 : castFailure(value, 'Integer', 0)
}

export function toBoolean(value: CesqlValue): boolean | Failure {
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return value !== 0
  const lower = value.length <= 5 ? value.toLowerCase() : ''
  if (lower === 'true' || lower === 'false') return lower === 'true'
  return castFailure(value, 'Boolean', false)
}

/** Casts to the type of `like`. */
export function castLike(value: CesqlValue, like: CesqlValue): Outcome {
  if (typeof value === typeof like) return value
  if (typeof like === 'string') return toText(value)
  return typeof like === 'number' ? toInteger(value) : toBoolean(value)
}

function castFailure(value: string, type: string, zero: CesqlValue): Failure {
  const shown = value.length > 40 ? `${value.slice(0, 40)}…` : value
  return { kind: 'cast', message: `${JSON.stringify(shown)} is no ${type}`, value: zero }
}
