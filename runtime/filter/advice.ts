/**
 * Finds filters that no event can match. What it says is certain; what it does not find may still be
 * impossible.
 */
import type { Filter } from '../contract/metadata.ts'
import { adviseCesql } from './cesql/cesql.ts'
import {
  cesqlOf,
  type Clause,
  isLeaf,
  type Leaf,
  leavesOf,
  type NotClause,
  OLD_NAME,
  toClauses,
} from './clause.ts'
import { requirementsOfClause } from './requirements.ts'
import { compare, type ValueTest, valueTest } from './value-test.ts'

/** One sentence for each thing that is most likely not meant; none if nothing was found. */
export function adviseFilters(filters: readonly Filter[]): string[] {
  const clauses = toClauses(filters)
  const conflict = findConflict(clauses)
  return [
    ...(conflict === undefined ? [] : [`no event can match: ${conflict}`]),
    ...leavesOf(clauses)
      .filter(isOldName)
      .map(
        ({ clause }) =>
          `${clause} looks at dataschema, which is what CloudEvents 1.0 calls it; write dataschema`,
      ),
    ...cesqlOf(clauses).flatMap(({ clause, expected }) =>
      adviseCesql(expected).map((advice) => `${clause}: ${advice}`),
    ),
  ]
}

function isOldName({ on, clause }: Leaf): boolean {
  return on === 'attribute' && clause.endsWith(`.${OLD_NAME}`)
}

/** Why the clauses, ANDed, can never all hold. */
function findConflict(clauses: readonly Clause[]): string | undefined {
  const all = clauses.flatMap(withoutDoubleNegation)
  const leaves = [...all.filter(isLeaf), ...all.flatMap(demandedBy)]
  const excluded = all.filter((clause) => clause.on === 'not')
  return (
    firstOf(Object.values(bySubject(leaves)), (group) => subjectConflict(group ?? [], excluded)) ??
    firstOf(excluded, (clause) => negationConflict(clause, all)) ??
    firstOf(all, (clause) => anyConflict(clause, all))
  )
}

/** What an expression demands of single attributes, as clauses. */
function demandedBy(clause: Clause): Leaf[] {
  if (clause.on !== 'cesql') return []
  return [...requirementsOfClause(clause)].map(([subject, texts]) => ({
    on: 'attribute',
    clause: `${clause.clause} on ${subject} in`,
    operator: 'in',
    subject,
    segments: [subject],
    expected: [...texts],
  }))
}

/** `not` of `not`, and of `any`, say plain things: both are the more common way to write them. */
function withoutDoubleNegation(clause: Clause): Clause[] {
  if (clause.on !== 'not') return [clause]
  const [only, ...more] = clause.negated
  if (only === undefined || more.length > 0) return [clause]
  if (only.on === 'not') return only.negated.flatMap(withoutDoubleNegation)
  if (only.on !== 'any') return [clause]
  return only.branches.flatMap((branch) =>
    withoutDoubleNegation({ ...clause, clause: only.clause, negated: branch }),
  )
}

function bySubject(leaves: readonly Leaf[]): Partial<Record<string, Leaf[]>> {
  return Object.groupBy(leaves, subjectKey)
}

function subjectConflict(
  leaves: readonly Leaf[],
  excluded: readonly NotClause[],
): string | undefined {
  const choices = leaves.map(choicesOf).find((one) => one !== undefined)
  if (choices !== undefined) {
    const against = excluded.flatMap(({ negated: [only, ...more] }) =>
      only !== undefined && more.length === 0 && isLeaf(only) && sameSubject(only, leaves[0])
        ? [only]
        : [],
    )
    const tests: ValueTest[] = [
      ...leaves.map(testOf),
      ...against.map(testOf).map(
        (test): ValueTest =>
          (value) =>
            !test(value),
      ),
    ]
    const possible = choices.some((choice) => tests.every((test) => test(choice)))
    return possible ? undefined : describe(leaves, against)
  }
  return rangeConflict(leaves) || shapeConflict(leaves) ? describe(leaves, []) : undefined
}

/** The only values with which a leaf holds, where they can be counted. */
function choicesOf({ operator, expected }: Leaf): readonly unknown[] | undefined {
  if (operator === 'exact' || operator === 'equals') return [expected]
  return operator === 'in' && Array.isArray(expected) ? expected : undefined
}

function rangeConflict(leaves: readonly Leaf[]): boolean {
  const lower = leaves.filter((leaf) => leaf.operator === 'gt' || leaf.operator === 'gte')
  const upper = leaves.filter((leaf) => leaf.operator === 'lt' || leaf.operator === 'lte')
  return lower.some((low) =>
    upper.some((high) => {
      const order = compare(low.expected, high.expected)
      const open = low.operator === 'gt' || high.operator === 'lt'
      return order !== undefined && (order > 0 || (order === 0 && open))
    }),
  )
}

/** What a value cannot be at once: there and missing, a number and a text, of two beginnings. */
function shapeConflict(leaves: readonly Leaf[]): boolean {
  const missing = leaves.some((leaf) => leaf.operator === 'exists' && leaf.expected === false)
  if (missing && leaves.some((leaf) => leaf.operator !== 'exists' || leaf.expected === true)) {
    return true
  }
  const demanding = leaves.filter((leaf) => leaf.operator !== 'exists')
  if (new Set(demanding.map((leaf) => typeof leaf.expected)).size > 1) return true
  return (
    pairs(textsOf(demanding, 'prefix')).some(([a, b]) => !a.startsWith(b) && !b.startsWith(a)) ||
    pairs(textsOf(demanding, 'suffix')).some(([a, b]) => !a.endsWith(b) && !b.endsWith(a))
  )
}

function negationConflict(clause: NotClause, all: readonly Clause[]): string | undefined {
  if (clause.negated.length === 0) return `${clause.clause} excludes everything`
  const known = new Map(all.map((one) => [clauseKey(one), one]))
  const demanded = clause.negated.map((negated) => known.get(clauseKey(negated)))
  const shown = demanded.flatMap((one) => (one === undefined ? [] : [shownClause(one)]))
  if (shown.length < demanded.length) return undefined
  return `${clause.clause} excludes what ${shown.join(' and ')} asks for`
}

/** None of the branches can hold beside the other clauses. */
function anyConflict(clause: Clause, all: readonly Clause[]): string | undefined {
  if (clause.on !== 'any') return undefined
  const others = all.filter((one) => one !== clause && one.on !== 'any')
  const conflicts = clause.branches.map((branch) => findConflict([...others, ...branch]))
  const [first] = conflicts
  if (conflicts.includes(undefined)) return undefined
  return first === undefined
    ? `${clause.clause} has no alternative`
    : `no alternative of ${clause.clause} is possible (${first})`
}

function describe(leaves: readonly Leaf[], against: readonly Leaf[]): string {
  return `${[...leaves, ...against].map(shownClause).join(' and ')} exclude each other`
}

function shownClause(clause: Clause): string {
  return isLeaf(clause) ? `${clause.clause} ${JSON.stringify(clause.expected)}` : clause.clause
}

/** Equal for clauses that say the same, wherever they stand. */
function clauseKey(clause: Clause): string {
  if (isLeaf(clause)) {
    return JSON.stringify([subjectKey(clause), clause.operator, clause.expected])
  }
  return JSON.stringify([clause.on, clause.expected])
}

function subjectKey(leaf: Leaf): string {
  return `${leaf.on} ${leaf.subject}`
}

function sameSubject(leaf: Leaf, other: Leaf | undefined): boolean {
  return other !== undefined && subjectKey(leaf) === subjectKey(other)
}

function testOf({ operator, expected }: Leaf): ValueTest {
  return valueTest(operator, expected)
}

function textsOf(leaves: readonly Leaf[], operator: 'prefix' | 'suffix'): string[] {
  return leaves.filter((leaf) => leaf.operator === operator).map((leaf) => String(leaf.expected))
}

function pairs<T>(items: readonly T[]): Array<[T, T]> {
  return items.flatMap((a, index) => items.slice(index + 1).map((b): [T, T] => [a, b]))
}

function firstOf<T>(
  items: readonly T[],
  find: (item: T) => string | undefined,
): string | undefined {
  for (const item of items) {
    const found = find(item)
    if (found !== undefined) return found
  }
  return undefined
}
