import type { LeafOperator } from './clause.ts'

/** Takes undefined for a value that is not there. */
export type ValueTest = (value: unknown) => boolean

/**
 * The comparison of one leaf. Numbers compare with numbers and strings with strings, by code unit;
 * nothing is converted. A missing value passes `exists: false` only.
 */
export function valueTest(operator: LeafOperator, expected: unknown): ValueTest {
  switch (operator) {
    case 'exact':
    case 'equals':
      return (value) => value === expected
    case 'prefix': {
      const prefix = String(expected)
      return (value) => typeof value === 'string' && value.startsWith(prefix)
    }
    case 'suffix': {
      const suffix = String(expected)
      return (value) => typeof value === 'string' && value.endsWith(suffix)
    }
    case 'in': {
      const choices = new Set<unknown>(Array.isArray(expected) ? expected : [])
      return (value) => choices.has(value)
    }
    case 'exists':
      return (value) => (value !== undefined) === expected
    case 'gt':
      return ordered(expected, (order) => order > 0)
    case 'gte':
      return ordered(expected, (order) => order >= 0)
    case 'lt':
      return ordered(expected, (order) => order < 0)
    case 'lte':
      return ordered(expected, (order) => order <= 0)
  }
}

/** Below 0, 0 or above 0 as `a` is before, with or after `b`; undefined if they are not of one kind. */
export function compare(a: unknown, b: unknown): number | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0
  return undefined
}

function ordered(expected: unknown, passes: (order: number) => boolean): ValueTest {
  return (value) => {
    const order = compare(value, expected)
    return order !== undefined && passes(order)
  }
}
