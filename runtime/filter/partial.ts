/** What filters say of an event of which only a part is known, such as one that does not exist yet. */
import type { Filter } from '../contract/metadata.ts'
import { type Clause, toClauses } from './clause.ts'
import { valueTest } from './value-test.ts'

/** Of an attribute: it may have any value, or none. */
export const UNKNOWN: unique symbol = Symbol('unknown')

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
    case 'any':
      return anyOf(clause.branches, event)
    case 'not': {
      const { matches, open } = allOf(clause.negated, event)
      return matches === 'maybe' ? { matches, open } : decided(matches === 'no')
    }
  }
}

function decided(matches: boolean): PartialMatch {
  return { matches: matches ? 'yes' : 'no', open: [] }
}
