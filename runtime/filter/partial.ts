/** What filters say of an event of which only a part is known, such as one that does not exist yet. */
import type { Filter } from '../contract/metadata.ts'
import { type CesqlClause, type Clause, toClauses } from './clause.ts'
import { requirementsOfClause } from './requirements.ts'
import { valueTest } from './value-test.ts'

/** Of an attribute: it may have any value, or none. */
export const UNKNOWN: unique symbol = Symbol('unknown')

/** The canonical text of a value that is no text. */
const TYPED_TEXT = /^(?:-?\d+|true|false)$/

export interface PartialEvent {
  /** The canonical text of an attribute, undefined where there is none. */
  attribute(name: string): string | undefined | typeof UNKNOWN
  data: 'none' | 'unknown'
}

export interface PartialMatch {
  matches: 'yes' | 'no' | 'maybe'
  /** With `maybe`: the clauses whose outcome is not known and counts, such as `data.amount.gte`. */
  open: string[]
}

/** Throws `FN_FILTER_INVALID` for a filter without a known dialect. */
export function matchPartial(filters: readonly Filter[], event: PartialEvent): PartialMatch {
  return allOf(toClauses(filters), event)
}

function allOf(clauses: readonly Clause[], event: PartialEvent): PartialMatch {
  const results = clauses.map((clause) => matchClause(clause, event))
  if (results.some(({ matches }) => matches === 'no')) return { matches: 'no', open: [] }
  return undecidedOr('yes', results)
}

function anyOf(branches: readonly Clause[][], event: PartialEvent): PartialMatch {
  const results = branches.map((branch) => allOf(branch, event))
  if (results.some(({ matches }) => matches === 'yes')) return { matches: 'yes', open: [] }
  return undecidedOr('no', results)
}

function undecidedOr(matches: 'yes' | 'no', results: readonly PartialMatch[]): PartialMatch {
  const open = results.flatMap((result) => result.open)
  return open.length === 0 ? { matches, open } : { matches: 'maybe', open }
}

function matchClause(clause: Clause, event: PartialEvent): PartialMatch {
  switch (clause.on) {
    case 'attribute': {
      const value = event.attribute(clause.subject)
      if (value === UNKNOWN) return { matches: 'maybe', open: [clause.clause] }
      return decided(valueTest(clause.operator, clause.expected)(value))
    }
    case 'data':
      return event.data === 'none' ? decided(false) : { matches: 'maybe', open: [clause.clause] }
    case 'cesql':
      return matchCesql(clause, event)
    case 'any':
      return anyOf(clause.branches, event)
    case 'not': {
      const { matches, open } = allOf(clause.negated, event)
      return matches === 'maybe' ? { matches, open } : decided(matches === 'no')
    }
  }
}

/**
 * An expression is certain where it lacks what it demands, and where all that it looks at is known. A text
 * such as `5` may come from an integer, which compares differently, so that is not known.
 */
function matchCesql(clause: CesqlClause, event: PartialEvent): PartialMatch {
  for (const [name, texts] of requirementsOfClause(clause)) {
    const text = event.attribute(name)
    if (text === undefined || (text !== UNKNOWN && !texts.has(text))) return decided(false)
  }
  const attributes: Record<string, string> = {}
  for (const name of clause.program.attributes) {
    const text = event.attribute(name)
    if (text === UNKNOWN || (text !== undefined && TYPED_TEXT.test(text))) {
      return { matches: 'maybe', open: [clause.clause] }
    }
    if (text !== undefined) attributes[name] = text
  }
  return decided(clause.program.evaluate(attributes) === true)
}

function decided(matches: boolean): PartialMatch {
  return { matches: matches ? 'yes' : 'no', open: [] }
}
