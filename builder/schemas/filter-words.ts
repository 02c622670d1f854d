/** Filters as a sentence, for people who read what a trigger takes. */
import type { DataCondition, Filter } from '../../runtime/contract/metadata.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'

const ATTRIBUTE_WORDS: Readonly<Record<string, string>> = {
  exact: 'is',
  prefix: 'begins with',
  suffix: 'ends with',
}

const CONDITION_WORDS: Readonly<Record<keyof DataCondition, string>> = {
  equals: 'is',
  prefix: 'begins with',
  suffix: 'ends with',
  in: 'is one of',
  gt: 'is above',
  gte: 'is at least',
  lt: 'is below',
  lte: 'is at most',
  exists: 'is there:',
}

export function filtersInWords(filters: readonly Filter[]): string {
  return filters.length === 0 ? 'every event' : `events where ${list(filters, 'and')}`
}

function list(filters: readonly Filter[], word: 'and' | 'or'): string {
  return filters.map(words).join(` ${word} `)
}

function words(filter: Filter): string {
  if ('all' in filter) return bracketed(filter.all, 'and')
  if ('any' in filter) return bracketed(filter.any, 'or')
  if ('not' in filter) return `not (${words(filter.not)})`
  if ('exists' in filter) {
    return joined(filter.exists, (name, there) => `${name} is ${there === true ? '' : 'not '}there`)
  }
  if ('data' in filter) return joined(filter.data, dataWords)
  const [[dialect, attributes] = ['', {}]] = Object.entries(filter) as Array<[string, unknown]>
  const verb = ATTRIBUTE_WORDS[dialect]
  // A dialect without words of its own is shown as it stands.
  if (verb === undefined || !isRecord(attributes)) return JSON.stringify(filter)
  return joined(attributes, (name, value) => `${name} ${verb} ${JSON.stringify(value)}`)
}

function bracketed(filters: readonly Filter[], word: 'and' | 'or'): string {
  return filters.length === 1 ? list(filters, word) : `(${list(filters, word)})`
}

function dataWords(path: string, condition: unknown): string {
  return joined(
    isRecord(condition) ? condition : {},
    (operator, value) =>
      `data.${path} ${CONDITION_WORDS[operator as keyof DataCondition] ?? operator} ${JSON.stringify(value)}`,
  )
}

function joined(
  map: Readonly<Record<string, unknown>>,
  say: (name: string, value: unknown) => string,
): string {
  return Object.entries(map)
    .map(([name, value]) => say(name, value))
    .join(' and ')
}
