/** Why a filter did not match, in one line for people. */
import type { FailedClause } from '../runtime/filter/explain.ts'

export function failedClauseText({ clause, expected, actual, note }: FailedClause): string {
  const why = note === undefined ? '' : ` (${note})`
  return `${clause}: expected ${JSON.stringify(expected)}, is ${JSON.stringify(actual)}${why}`
}
