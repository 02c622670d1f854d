/** Filters as people say them. */
import type { DataCondition, Filter } from '../contract/metadata.ts'

/** One line for filters that must all pass; empty where everything passes. */
export function filtersInWords(filters: readonly Filter[]): string {
  return filters.map((filter) => inWords(filter, filters.length > 1)).join(' and ')
}

const CONDITIONS: Record<keyof DataCondition, string> = {
  equals: 'is',
  prefix: 'begins with',
  suffix: 'ends with',
  in: 'is one of',
  gt: 'is more than',
  gte: 'is at least',
  lt: 'is less than',
  lte: 'is at most',
  exists: 'exists:',
}

/** `nested`: beside others, where it needs brackets if it has several parts. */
function inWords(filter: Filter, nested: boolean): string {
  if ('exact' in filter) return joined(attributes(filter.exact, 'is'), ' and ', nested)
  if ('prefix' in filter) return joined(attributes(filter.prefix, 'begins with'), ' and ', nested)
  if ('suffix' in filter) return joined(attributes(filter.suffix, 'ends with'), ' and ', nested)
  if ('exists' in filter) {
    const parts = Object.entries(filter.exists).map(([name, is]) => `has ${is ? '' : 'no '}${name}`)
    return joined(parts, ' and ', nested)
  }
  if ('all' in filter) return joined(each(filter.all, nested), ' and ', nested)
  if ('any' in filter) return joined(each(filter.any, nested), ' or ', nested)
  if ('not' in filter) return `not (${inWords(filter.not, false)})`
  if ('cesql' in filter) return nested ? `(${filter.cesql})` : filter.cesql
  const parts = Object.entries(filter.data).flatMap(([path, condition]) =>
    Object.entries(condition).map(
      ([operator, value]) =>
        `data.${path} ${CONDITIONS[operator as keyof DataCondition]} ${JSON.stringify(value)}`,
    ),
  )
  return joined(parts, ' and ', nested)
}

function attributes(map: Record<string, string>, verb: string): string[] {
  return Object.entries(map).map(([name, value]) => `${name} ${verb} ${JSON.stringify(value)}`)
}

function each(filters: readonly Filter[], nested: boolean): string[] {
  return filters.map((filter) => inWords(filter, nested || filters.length > 1))
}

function joined(parts: readonly string[], by: string, nested: boolean): string {
  const text = parts.join(by)
  return nested && parts.length > 1 ? `(${text})` : text
}
