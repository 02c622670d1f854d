import type { Event } from '../contract/event.ts'
import type { Filter } from '../contract/metadata.ts'
import { isFailure } from './cesql/value.ts'
import {
  type CesqlClause,
  cesqlOf,
  type Clause,
  isLeaf,
  type Leaf,
  leavesOf,
  toClauses,
} from './clause.ts'
import { attributeText, compileClauses } from './compile.ts'
import { LazyData } from './lazy-data.ts'

export interface FailedClause {
  /** Its path in the filters: `exact.type`, `data.amount.gte`, `cesql`, `any`, `all.0.not`. */
  clause: string
  /** What the filter says; of `any` its alternatives, of `not` the filter that must not match. */
  expected: unknown
  /**
   * What the event has, `null` where it has nothing; of `any` and `not` each value they look at; of a
   * CESQL expression its value, or its error as text.
   */
  actual: unknown
  /**
   * Where `actual` alone would puzzle: the event has no JSON data for a data filter to look at, or an
   * expression has a value that is no Boolean.
   */
  note?: string
}

export interface Explanation {
  matches: boolean
  failed: FailedClause[]
}

/** Why an event does not pass: every clause that failed, not just the first. */
export function explain(event: Event, filters: readonly Filter[]): Explanation {
  const data = new LazyData(event)
  const failed = toClauses(filters)
    .filter((clause) => !compileClauses([clause]).matches(event, data))
    .map((clause) => failure(clause, data))
  return { matches: failed.length === 0, failed }
}

function failure(clause: Clause, data: LazyData): FailedClause {
  const { expected } = clause
  if (isLeaf(clause)) {
    return {
      clause: clause.clause,
      expected,
      actual: actualOf(clause, data),
      ...noteOf([clause], data),
    }
  }
  if (clause.on === 'cesql') return cesqlFailure(clause, data)
  const leaves = leavesOf([clause])
  const actual = Object.fromEntries([
    ...leaves.map((leaf) => [nameOf(leaf), actualOf(leaf, data)]),
    ...cesqlOf([clause]).map((one) => [one.expected, resultOf(one, data)]),
  ])
  return { clause: clause.clause, expected, actual, ...noteOf(leaves, data) }
}

function cesqlFailure(clause: CesqlClause, data: LazyData): FailedClause {
  const { clause: path, expected, program } = clause
  const actual = resultOf(clause, data)
  const isValue = !isFailure(program.evaluate(data.event.attributes))
  const note = isValue && typeof actual !== 'boolean' ? 'the value is no Boolean' : undefined
  return { clause: path, expected, actual, ...(note !== undefined && { note }) }
}

/** The value of an expression, or its error as text. */
function resultOf({ program }: CesqlClause, { event }: LazyData): unknown {
  const outcome = program.evaluate(event.attributes)
  return isFailure(outcome) ? `${outcome.kind} error: ${outcome.message}` : outcome
}

function actualOf(leaf: Leaf, data: LazyData): unknown {
  const value =
    leaf.on === 'attribute'
      ? attributeText(data.event.attributes, leaf.subject)
      : data.at(leaf.segments)
  return value ?? null
}

/** An attribute and a path of the data may have one name. */
function nameOf(leaf: Leaf): string {
  return leaf.on === 'attribute' ? leaf.subject : `data.${leaf.subject}`
}

function noteOf(leaves: readonly Leaf[], data: LazyData): { note?: string } {
  if (!leaves.some((leaf) => leaf.on === 'data') || data.isJson()) return {}
  const { data: raw } = data.event
  if (raw === undefined) return { note: 'the event has no data' }
  return {
    note: raw.kind === 'json' ? 'the JSON data does not parse' : 'the data is not JSON',
  }
}
