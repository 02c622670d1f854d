/**
 * Filters as Knative's Kafka broker reads them, in our own dialects. What is empty there lets everything
 * pass, several dialects in one object are ANDed, and expressions are read in a way of their own.
 */
import { typeOf } from '../filter/cesql/compile.ts'
import { parseCesql } from '../filter/cesql/parser.ts'
import type { DataCondition, Filter } from './metadata.ts'

/** As Knative's YAML may have it: several dialects side by side, and any of them empty. */
export interface LooseFilter {
  exact?: Record<string, string>
  prefix?: Record<string, string>
  suffix?: Record<string, string>
  exists?: Record<string, boolean>
  all?: LooseFilter[]
  any?: LooseFilter[]
  not?: LooseFilter
  data?: Record<string, DataCondition>
  cesql?: string
}

/** `not` of a filter that lets everything pass lets nothing pass. */
const NOTHING: Filter = { not: { all: [] } }

/** Takes filters that were found right under these rules. All of the result must pass. */
export function plainFilters(filters: readonly LooseFilter[]): Filter[] {
  return filters.flatMap(plainFilter)
}

/**
 * The expression as the Kafka broker reads it: AND, OR and XOR from right to left, and a cast to a Boolean
 * where the value may be of another type.
 */
export function kafkaExpression(expression: string): string {
  const { root, rightward } = parseCesql(expression)
  const inserts = rightward
    .flatMap(({ open, close }) => [
      { at: open, text: '(' },
      { at: close, text: ')' },
    ])
    .toSorted((a, b) => a.at - b.at)
  const starts = inserts.map(({ at }) => at)
  const bracketed = [
    expression.slice(0, starts[0]),
    ...inserts.map(({ at, text }, index) => text + expression.slice(at, starts[index + 1])),
  ].join('')
  const ordered = inserts.length === 0 ? expression : bracketed
  return typeOf(root) === 'Boolean' ? ordered : `BOOL(${ordered})`
}

function plainFilter(filter: LooseFilter): Filter[] {
  const { exact, prefix, suffix, exists, all, any, not, data, cesql = '' } = filter
  return [
    ...textEntries(exact).map(([name, text]): Filter => ({ exact: { [name]: text } })),
    ...textEntries(prefix).map(([name, text]): Filter => ({ prefix: { [name]: text } })),
    ...textEntries(suffix).map(([name, text]): Filter => ({ suffix: { [name]: text } })),
    ...(exists === undefined ? [] : [{ exists }]),
    ...(data === undefined ? [] : [{ data }]),
    ...(all === undefined ? [] : plainFilters(all)),
    ...(any === undefined ? [] : plainAny(any)),
    ...(not === undefined ? [] : plainNot(not)),
    ...(cesql.trim() === '' ? [] : [{ cesql: kafkaExpression(cesql) }]),
  ]
}

function textEntries(map: Readonly<Record<string, string>> = {}): Array<[string, string]> {
  return Object.entries(map).filter(([, text]) => text !== '')
}

function plainAny(filters: readonly LooseFilter[]): Filter[] {
  const branches = filters.map(plainFilter)
  // Also where there is no alternative at all.
  if (branches.every((branch) => branch.length > 0) && branches.length > 0) {
    return [{ any: branches.map(asOne) }]
  }
  return []
}

function plainNot(filter: LooseFilter): Filter[] {
  const negated = plainFilter(filter)
  return negated.length === 0 ? [NOTHING] : [{ not: asOne(negated) }]
}

function asOne(filters: readonly Filter[]): Filter {
  const [only, ...more] = filters
  return only !== undefined && more.length === 0 ? only : { all: [...filters] }
}
