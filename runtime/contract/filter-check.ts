/**
 * What a filter must be beyond its JSON shape, and what is wrong with one, path by path. Knative passes
 * an event where a filter is empty or broken and only logs it (its admission webhook may be off); here
 * such a filter is refused before it runs, because it never is what was meant.
 */
import { isMillraceError } from '../errors.ts'
import { callProblems, cesqlProblems } from '../filter/cesql/cesql.ts'
import { parseCesql } from '../filter/cesql/parser.ts'
import { kafkaExpression, plainFilters } from './filter-compat.ts'
import type { DataCondition, Filter, TriggerMetadata } from './metadata.ts'
import { isRecord, joinPath, shown, unknownKey } from './schema-problems.ts'

/** CloudEvents 1.0 "Attribute Naming Convention", with Knative's demand for a letter in front. */
const ATTRIBUTE_NAME = /^[a-z][a-z0-9]*$/

type Dialect = Filter extends infer One ? (One extends unknown ? keyof One : never) : never
type Check = (value: unknown, path: string) => string[]
/** `compat` is Knative's Kafka broker: what is empty is allowed, and several dialects in one object. */
type DialectCheck = (value: unknown, path: string, compat: boolean) => string[]

const DIALECT_CHECKS: Record<Dialect, DialectCheck> = {
  exact: textMapProblems,
  prefix: textMapProblems,
  suffix: textMapProblems,
  exists: (value, path) => attributeMapProblems(value, path, booleanProblems),
  all: listProblems,
  any: listProblems,
  not: oneProblems,
  data: (value, path) => dataProblems(value, path),
  cesql: expressionProblems,
}
const DIALECTS = Object.keys(DIALECT_CHECKS)

const CONDITION_CHECKS: Record<keyof DataCondition, Check> = {
  equals: scalarProblems,
  prefix: textProblems,
  suffix: textProblems,
  in: choiceProblems,
  gt: comparableProblems,
  gte: comparableProblems,
  lt: comparableProblems,
  lte: comparableProblems,
  exists: booleanProblems,
}
const CONDITIONS = Object.keys(CONDITION_CHECKS)

/**
 * The problems of a list of filters, one line each, each with its path; none if it can be compiled.
 * `compat`: by the rules of `filterCompat: 'knative-kafka'`.
 */
export function filterProblems(
  filters: readonly unknown[],
  path: string,
  compat = false,
): string[] {
  return filters.flatMap((filter, index) => oneProblems(filter, joinPath(path, index), compat))
}

/** The problems of Knative's `filter.attributes`, where an empty value has a meaning. */
export function attributesProblems(
  attributes: Readonly<Record<string, unknown>>,
  path: string,
): string[] {
  return Object.keys(attributes).flatMap((name) => nameProblems(name, path))
}

/**
 * The filters of a trigger. A non-empty `filters` wins over `filter` (Knative's rule), which is said in
 * `warning`. In `filter.attributes` an empty value asks for the attribute with any value
 * (control-plane spec, "Trigger Filtering"). With `filterCompat` they are those that Knative's Kafka broker
 * would apply. Takes what `filterProblems` and `attributesProblems` found right.
 */
export function filtersOf(
  trigger: Pick<TriggerMetadata, 'filter' | 'filters' | 'filterCompat'>,
  path: string,
): { filters: Filter[]; warning?: string } {
  const attributes = trigger.filter?.attributes ?? {}
  const names = Object.keys(attributes)
  const compat = trigger.filterCompat === 'knative-kafka'
  if (trigger.filters !== undefined && trigger.filters.length > 0) {
    const filters = compat ? plainFilters(trigger.filters) : trigger.filters
    if (names.length === 0) return { filters }
    return {
      filters,
      warning: `${joinPath(path, 'filter')} is ignored, because ${joinPath(path, 'filters')} is there and wins over it; remove one of them`,
    }
  }
  if (compat) return { filters: plainFilters([{ exact: attributes }]) }
  return {
    filters: names.map((name): Filter => {
      const value = attributes[name] ?? ''
      return value === '' ? { exists: { [name]: true } } : { exact: { [name]: value } }
    }),
  }
}

function oneProblems(filter: unknown, path: string, compat: boolean): string[] {
  if (!isRecord(filter)) return [`${path} must be an object, but is ${shown(filter)}`]
  const keys = Object.keys(filter)
  const unknown = keys.filter((key) => !DIALECTS.includes(key))
  if (unknown.length > 0) return unknown.map((key) => unknownKey(path, key, DIALECTS))
  if (keys.length === 0 && !compat) {
    return [`${path} is empty; it needs one of ${DIALECTS.join(', ')}`]
  }
  if (keys.length > 1 && !compat) {
    const split = keys.map((key) => `{ ${key}: … }`).join(', ')
    return [
      `${path} has ${keys.join(' and ')}; one object holds one of them, so split it: ${split}`,
    ]
  }
  return keys.flatMap((key) =>
    DIALECT_CHECKS[key as Dialect](filter[key], joinPath(path, key), compat),
  )
}

function textMapProblems(value: unknown, path: string, compat: boolean): string[] {
  if (compat && isRecord(value)) {
    return Object.entries(value).flatMap(([name, text]) => [
      ...nameProblems(name, path),
      ...(text === '' ? [] : textProblems(text, joinPath(path, name))),
    ])
  }
  return attributeMapProblems(value, path, textProblems)
}

function attributeMapProblems(value: unknown, path: string, check: Check): string[] {
  if (!isRecord(value)) return [`${path} must be an object, but is ${shown(value)}`]
  const names = Object.keys(value)
  if (names.length === 0) return [`${path} is empty; name an attribute or remove it`]
  return names.flatMap((name) => [
    ...nameProblems(name, path),
    ...check(value[name], joinPath(path, name)),
  ])
}

function nameProblems(name: string, path: string): string[] {
  // CloudEvents 1.0 forbids an attribute of that name, so nothing would ever match.
  if (name === 'data') {
    return [`${path}: "data" is no attribute; use { data: … } for a value inside the data`]
  }
  if (ATTRIBUTE_NAME.test(name)) return []
  const lower = name.toLowerCase()
  const next = ATTRIBUTE_NAME.test(lower)
    ? `did you mean "${lower}"?`
    : name.includes('.')
      ? `use { data: … } for a value inside the data`
      : 'names are made of a-z and 0-9 and begin with a letter'
  return [`${path}: ${JSON.stringify(name)} is no attribute name; ${next}`]
}

function listProblems(value: unknown, path: string, compat: boolean): string[] {
  if (!Array.isArray(value)) return [`${path} must be an array, but is ${shown(value)}`]
  if (value.length === 0 && !compat) return [`${path} is empty; give it a filter or remove it`]
  return filterProblems(value, path, compat)
}

function dataProblems(value: unknown, path: string): string[] {
  if (!isRecord(value)) return [`${path} must be an object, but is ${shown(value)}`]
  const paths = Object.keys(value)
  if (paths.length === 0) return [`${path} is empty; name a path of the data or remove it`]
  return paths.flatMap((dataPath) => [
    ...(dataPath.split('.').includes('')
      ? [`${path}: ${JSON.stringify(dataPath)} is no path; write for example customer.tier`]
      : []),
    ...conditionProblems(value[dataPath], `${path}[${JSON.stringify(dataPath)}]`),
  ])
}

function expressionProblems(value: unknown, path: string, compat: boolean): string[] {
  if (typeof value !== 'string') return [`${path} must be a string, but is ${shown(value)}`]
  if (value.trim() === '') {
    if (compat) return []
    return [`${path} is empty; give it an expression such as "type LIKE 'com.%'"`]
  }
  try {
    const { root } = parseCesql(value)
    // What is added may make it too long or too deep.
    if (compat) parseCesql(kafkaExpression(value))
    const problems = compat ? callProblems(root) : cesqlProblems(root)
    return problems.map((problem) => `${path}: ${problem}`)
  } catch (error) {
    if (!isMillraceError(error, 'FN_FILTER_INVALID')) throw error
    return [`${path}: ${error.message}`]
  }
}

function conditionProblems(value: unknown, path: string): string[] {
  if (!isRecord(value)) {
    return [`${path} must be a condition such as { equals: ${shown(value)} }`]
  }
  const keys = Object.keys(value)
  const unknown = keys.filter((key) => !CONDITIONS.includes(key))
  if (unknown.length > 0) return unknown.map((key) => unknownKey(path, key, CONDITIONS))
  if (keys.length === 0) return [`${path} is empty; it needs one of ${CONDITIONS.join(', ')}`]
  const problems = keys.flatMap((key) =>
    CONDITION_CHECKS[key as keyof DataCondition](value[key], joinPath(path, key)),
  )
  return problems.length > 0 ? problems : togetherProblems(value, path)
}

/** Members that are right one by one and wrong together: no value is a number and a text at once. */
function togetherProblems(condition: DataCondition, path: string): string[] {
  const others = Object.keys(condition).filter((key) => key !== 'exists')
  if (condition.exists === false && others.length > 0) {
    return [`${path} asks for ${others.join(', ')} of what exists: false says is missing`]
  }
  const texts = ['prefix', 'suffix'].filter((key) => Object.hasOwn(condition, key))
  const numbers: string[] = []
  for (const key of ['gt', 'gte', 'lt', 'lte'] as const) {
    const bound = condition[key]
    if (typeof bound === 'string') texts.push(key)
    if (typeof bound === 'number') numbers.push(key)
  }
  if (texts.length === 0 || numbers.length === 0) return []
  return [
    `${path} asks for a text (${texts.join(', ')}) and for a number (${numbers.join(', ')}); nothing is converted, so use one kind`,
  ]
}

function textProblems(value: unknown, path: string): string[] {
  if (typeof value !== 'string') return [`${path} must be a string, but is ${shown(value)}`]
  if (value !== '') return []
  return [`${path} is empty; give it a text, or use exists for "there with any value"`]
}

function booleanProblems(value: unknown, path: string): string[] {
  return typeof value === 'boolean' ? [] : [`${path} must be true or false, but is ${shown(value)}`]
}

function scalarProblems(value: unknown, path: string): string[] {
  return isScalar(value)
    ? []
    : [`${path} must be a string, number, boolean or null, but is ${shown(value)}`]
}

function choiceProblems(value: unknown, path: string): string[] {
  if (!Array.isArray(value)) return [`${path} must be an array, but is ${shown(value)}`]
  if (value.length === 0) return [`${path} is empty; it needs at least one value`]
  return value.flatMap((choice, index) => scalarProblems(choice, joinPath(path, index)))
}

function comparableProblems(value: unknown, path: string): string[] {
  return typeof value === 'string' || isNumber(value)
    ? []
    : [`${path} must be a number or a string, but is ${shown(value)}`]
}

function isScalar(value: unknown): boolean {
  return (
    value === null || typeof value === 'string' || typeof value === 'boolean' || isNumber(value)
  )
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value)
}
