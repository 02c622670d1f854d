import type { Attributes, Event } from '../contract/event.ts'
import type { Filter } from '../contract/metadata.ts'
import { cesqlOf, type Clause, type Leaf, readsData, toClauses } from './clause.ts'
import type { LazyData } from './lazy-data.ts'
import { valueTest } from './value-test.ts'

export interface CompiledFilter {
  /**
   * Whether the event passes every filter. Never throws: an attribute that is not there, and data that
   * is not JSON, just do not match.
   */
  matches(event: Event, data: LazyData): boolean
}

/** A test never looks at the data before a clause asks for it. */
type Test = (attributes: Attributes, data: LazyData) => boolean

/** Compiles filters, all of which must pass; none pass everything. Throws `FN_FILTER_INVALID`. */
export function compileFilter(filters: readonly Filter[]): CompiledFilter {
  return compileClauses(toClauses(filters))
}

export function compileClauses(clauses: readonly Clause[]): CompiledFilter {
  const passes = allOf(clauses)
  return { matches: (event, data) => passes(event.attributes, data) }
}

/**
 * The canonical text of an attribute (CloudEvents 1.0, "Type System"), or undefined where it is not
 * there. What is no attribute value, such as an inherited `constructor`, is not there either.
 */
export function attributeText(attributes: Attributes, name: string): string | undefined {
  const value: unknown = attributes[name]
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}

function allOf(clauses: readonly Clause[]): Test {
  const tests = cheapFirst(clauses).map(testOf)
  const [first, second, ...rest] = tests
  if (first === undefined) return () => true
  if (second === undefined) return first
  if (rest.length === 0) {
    return (attributes, data) => first(attributes, data) && second(attributes, data)
  }
  return (attributes, data) => {
    for (const test of tests) if (!test(attributes, data)) return false
    return true
  }
}

function testOf(clause: Clause): Test {
  switch (clause.on) {
    case 'attribute':
      return attributeTest(clause)
    case 'data': {
      const { segments, operator, expected } = clause
      const passes = valueTest(operator, expected)
      return (_attributes, data) => data.isJson() && passes(data.at(segments))
    }
    case 'cesql': {
      const { evaluate } = clause.program
      return (attributes) => evaluate(attributes) === true
    }
    case 'any': {
      const tests = clause.branches.toSorted((a, b) => costOf(a) - costOf(b)).map(allOf)
      return (attributes, data) => {
        for (const test of tests) if (test(attributes, data)) return true
        return false
      }
    }
    case 'not': {
      const negated = allOf(clause.negated)
      return (attributes, data) => !negated(attributes, data)
    }
  }
}

function attributeTest({ subject, operator, expected }: Leaf): Test {
  if (operator === 'exact') {
    return (attributes) => attributeText(attributes, subject) === expected
  }
  const passes = valueTest(operator, expected)
  return (attributes) => passes(attributeText(attributes, subject))
}

/** Most events fail on an attribute; parsing their data first would be for nothing. */
function cheapFirst(clauses: readonly Clause[]): Clause[] {
  return clauses.toSorted((a, b) => costOf([a]) - costOf([b]))
}

function costOf(clauses: readonly Clause[]): number {
  if (clauses.some(readsData)) return 2
  return cesqlOf(clauses).length > 0 ? 1 : 0
}
