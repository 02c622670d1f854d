/**
 * Filters in the form that everything here works on: a list of clauses that are ANDed. `all` and maps
 * of several keys dissolve into the list around them, so only leaves, expressions, `any` and `not` remain.
 */
import type { DataCondition, Filter } from '../contract/metadata.ts'
import { MillraceError } from '../errors.ts'
import { type Cesql, compileCesql } from './cesql/cesql.ts'

/** CloudEvents 0.3's name for `dataschema`, which both of Knative's brokers still take in filters. */
export const OLD_NAME = 'schemaurl'

export type LeafOperator = keyof DataCondition | 'exact'

/** One comparison of one attribute's text, or of one value of the data. */
export interface Leaf {
  on: 'attribute' | 'data'
  /** Where the clause stands: `exact.type`, `data.amount.gte`, `all.0.prefix.subject`. */
  clause: string
  operator: LeafOperator
  /** The attribute's name or the dotted path. Knative's `schemaurl` is `dataschema`. */
  subject: string
  /** The path's segments; of an attribute its name alone. */
  segments: readonly string[]
  expected: unknown
}

/** Each branch is a list of clauses that are ANDed. */
export interface AnyClause {
  on: 'any'
  clause: string
  branches: Clause[][]
  expected: readonly Filter[]
}

export interface NotClause {
  on: 'not'
  clause: string
  negated: Clause[]
  expected: Filter
}

export interface CesqlClause {
  on: 'cesql'
  clause: string
  program: Cesql
  /** The expression as it was written. */
  expected: string
}

export type Clause = Leaf | CesqlClause | AnyClause | NotClause

/** Throws `FN_FILTER_INVALID` for a filter without a known dialect and for an expression with a fault. */
export function toClauses(filters: readonly Filter[], path = ''): Clause[] {
  return filters.flatMap((filter) => filterClauses(filter, path))
}

export function isLeaf(clause: Clause): clause is Leaf {
  return clause.on === 'attribute' || clause.on === 'data'
}

/** Whether the data has to be parsed for it. */
export function readsData(clause: Clause): boolean {
  switch (clause.on) {
    case 'attribute':
    case 'cesql':
      return false
    case 'data':
      return true
    case 'any':
      return clause.branches.some((branch) => branch.some(readsData))
    case 'not':
      return clause.negated.some(readsData)
  }
}

/** All leaves, also those inside `any` and `not`. */
export function leavesOf(clauses: readonly Clause[]): Leaf[] {
  return clauses.flatMap((clause) => {
    if (isLeaf(clause)) return [clause]
    return leavesOf(innerClauses(clause))
  })
}

/** All expressions, also those inside `any` and `not`. */
export function cesqlOf(clauses: readonly Clause[]): CesqlClause[] {
  return clauses.flatMap((clause) =>
    clause.on === 'cesql' ? [clause] : cesqlOf(innerClauses(clause)),
  )
}

function innerClauses(clause: Clause): Clause[] {
  if (clause.on === 'any') return clause.branches.flat()
  return clause.on === 'not' ? clause.negated : []
}

function filterClauses(filter: Filter, path: string): Clause[] {
  if ('exact' in filter) return attributeLeaves('exact', filter.exact, path)
  if ('prefix' in filter) return attributeLeaves('prefix', filter.prefix, path)
  if ('suffix' in filter) return attributeLeaves('suffix', filter.suffix, path)
  if ('exists' in filter) return attributeLeaves('exists', filter.exists, path)
  if ('data' in filter) return dataLeaves(filter.data, path)
  if ('all' in filter) {
    return filter.all.flatMap((one, index) => filterClauses(one, `${path}all.${index}.`))
  }
  if ('any' in filter) {
    const branches = filter.any.map((one, index) => filterClauses(one, `${path}any.${index}.`))
    return [{ on: 'any', clause: `${path}any`, branches, expected: filter.any }]
  }
  if ('not' in filter) {
    const negated = filterClauses(filter.not, `${path}not.`)
    return [{ on: 'not', clause: `${path}not`, negated, expected: filter.not }]
  }
  if ('cesql' in filter) {
    const { cesql } = filter
    return [{ on: 'cesql', clause: `${path}cesql`, program: compileCesql(cesql), expected: cesql }]
  }
  throw new MillraceError(
    'FN_FILTER_INVALID',
    `${JSON.stringify(filter)} is no filter; run fn check on the function that declares it`,
  )
}

function attributeLeaves(
  operator: 'exact' | 'prefix' | 'suffix' | 'exists',
  map: Readonly<Record<string, string | boolean>>,
  path: string,
): Leaf[] {
  return Object.entries(map).map(([name, expected]) => {
    const subject = name === OLD_NAME ? 'dataschema' : name
    return {
      on: 'attribute',
      clause: `${path}${operator}.${name}`,
      operator,
      subject,
      segments: [subject],
      expected,
    }
  })
}

function dataLeaves(map: Readonly<Record<string, DataCondition>>, path: string): Leaf[] {
  return Object.entries(map).flatMap(([dataPath, condition]) =>
    Object.entries(condition).map(([operator, expected]): Leaf => ({
      on: 'data',
      clause: `${path}data.${dataPath}.${operator}`,
      operator: operator as keyof DataCondition,
      subject: dataPath,
      segments: dataPath.split('.'),
      expected,
    })),
  )
}
