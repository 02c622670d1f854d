/** What filters mean, written as plainly as can be: the measure for the compiled ones. */
import type { Event } from '../../runtime/contract/event.ts'
import type { DataCondition, Filter } from '../../runtime/contract/metadata.ts'
import { expressionOf } from './filter-cesql-arbitraries.ts'
import { referenceCesql } from './filter-cesql-reference.ts'

export function referenceMatches(event: Event, filters: readonly Filter[]): boolean {
  return filters.every((filter) => passes(event, filter))
}

function passes(event: Event, filter: Filter): boolean {
  if ('all' in filter) return filter.all.every((one) => passes(event, one))
  if ('any' in filter) return filter.any.some((one) => passes(event, one))
  if ('not' in filter) return !passes(event, filter.not)
  if ('exact' in filter) return everyAttribute(event, filter.exact, (text, want) => text === want)
  if ('prefix' in filter) {
    return everyAttribute(event, filter.prefix, (text, want) => text.startsWith(want))
  }
  if ('suffix' in filter) {
    return everyAttribute(event, filter.suffix, (text, want) => text.endsWith(want))
  }
  if ('exists' in filter) {
    return Object.entries(filter.exists).every(
      ([name, want]) => (attribute(event, name) !== undefined) === want,
    )
  }
  if ('cesql' in filter) return referenceCesql(expressionOf(filter.cesql), event).value === true
  const json = jsonOf(event)
  if (json === undefined) return false
  return Object.entries(filter.data).every(([path, condition]) =>
    holds(condition, valueAt(json.value, path)),
  )
}

function everyAttribute(
  event: Event,
  wanted: Record<string, string>,
  test: (text: string, want: string) => boolean,
): boolean {
  return Object.entries(wanted).every(([name, want]) => {
    const text = attribute(event, name)
    return text !== undefined && test(text, want)
  })
}

function attribute(event: Event, written: string): string | undefined {
  const name = written === 'schemaurl' ? 'dataschema' : written
  if (!Object.hasOwn(event.attributes, name)) return undefined
  const value = event.attributes[name]
  return value === undefined ? undefined : `${value}`
}

function jsonOf(event: Event): { value: unknown } | undefined {
  if (event.data === undefined || event.data.kind !== 'json') return undefined
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(event.data.bytes)
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

function valueAt(json: unknown, path: string): unknown {
  return path.split('.').reduce((value: unknown, key) => {
    if (Array.isArray(value))
      return /^\d+$/.test(key) ? (value as unknown[])[Number(key)] : undefined
    if (typeof value !== 'object' || value === null) return undefined
    return Object.entries(value).find(([name]) => name === key)?.[1]
  }, json)
}

function holds(condition: DataCondition, value: unknown): boolean {
  const { equals, prefix, suffix, gt, gte, lt, lte, exists } = condition
  const text = typeof value === 'string' ? value : undefined
  return (
    (equals === undefined || value === equals) &&
    (prefix === undefined || (text !== undefined && text.startsWith(prefix))) &&
    (suffix === undefined || (text !== undefined && text.endsWith(suffix))) &&
    (condition.in === undefined || condition.in.some((choice) => choice === value)) &&
    (gt === undefined || inOrder(gt, value, (bound, it) => it > bound)) &&
    (gte === undefined || inOrder(gte, value, (bound, it) => it >= bound)) &&
    (lt === undefined || inOrder(lt, value, (bound, it) => it < bound)) &&
    (lte === undefined || inOrder(lte, value, (bound, it) => it <= bound)) &&
    (exists === undefined || (value !== undefined) === exists)
  )
}

function inOrder(
  bound: string | number,
  value: unknown,
  test: (bound: string | number, value: string | number) => boolean,
): boolean {
  if (typeof value !== 'string' && typeof value !== 'number') return false
  return typeof value === typeof bound && test(bound, value)
}
