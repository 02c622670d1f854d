/**
 * The one check of what a function file declares. It lists everything that is wrong at once, because
 * an author who fixes one line at a time runs the build once for each.
 */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { type ErrorCode, isMillraceError, MillraceError } from '../errors.ts'
import { parseDuration } from './duration.ts'
import { attributesProblems, filterProblems } from './filter-check.ts'
import { plainFilters } from './filter-compat.ts'
import { type FunctionManifestPart, triggerIdentity, withDefaults } from './metadata-defaults.ts'
import { FunctionMetadata } from './metadata.ts'
import { isRecord, joinPath, schemaProblems } from './schema-problems.ts'

export interface MetadataOrigin {
  /** Source file, relative to the project. */
  file: string
  functionName: string
}

/** Node fires a longer timer at once. */
const MAX_DURATION_MS = 2 ** 31 - 1

interface Problem {
  code: ErrorCode
  text: string
}

let compiled: ValidateFunction | undefined

/**
 * Checks `metadata` and applies every default. Throws one error that lists all problems, a line each
 * with its path: `FN_FILTER_INVALID` or `FN_NAME_INVALID` if they are all of that kind, else
 * `FN_METADATA_INVALID`.
 */
export function checkMetadata(raw: unknown, where: MetadataOrigin): FunctionManifestPart {
  if (!isRecord(raw)) {
    throw new MillraceError(
      'FN_METADATA_INVALID',
      `${where.file} exports no metadata object; add for example: export const metadata = { triggers: [{ broker: 'events/kafka-broker' }] }`,
      { detail: { file: where.file } },
    )
  }
  const errors = schemaErrors(withPlainFilters(raw))
  const problems = [...shapeProblems(errors), ...meaningProblems(raw, where)]
  if (problems.length > 0) throw invalid(where, problems)
  // The schema has the last word, also where the clearer messages are ours.
  if (errors.length > 0) throw invalid(where, asProblems(errors))
  return withDefaults(raw as FunctionMetadata, where.functionName)
}

/** The schema knows our own dialects only, so it is given what filters of Knative's Kafka broker mean. */
function withPlainFilters(raw: Record<string, unknown>): Record<string, unknown> {
  const { triggers } = raw
  if (!Array.isArray(triggers)) return raw
  return {
    ...raw,
    triggers: triggers.map((trigger: unknown): unknown => {
      if (!isRecord(trigger) || !isCompat(trigger) || !Array.isArray(trigger['filters'])) {
        return trigger
      }
      const isRight = filterProblems(trigger['filters'], '', true).length === 0
      return isRight ? { ...trigger, filters: plainFilters(trigger['filters']) } : trigger
    }),
  }
}

function isCompat({ filterCompat }: Record<string, unknown>): boolean {
  return filterCompat === 'knative-kafka'
}

function schemaErrors(raw: unknown): ErrorObject[] {
  compiled ??= new Ajv({ allErrors: true, strict: true, verbose: true }).compile(FunctionMetadata)
  return compiled(raw) ? [] : (compiled.errors ?? [])
}

function shapeProblems(errors: readonly ErrorObject[]): Problem[] {
  // Of a filter, Ajv reports every dialect that it is not; `filterProblems` says it in one line, as
  // `parseDuration` does for a duration.
  return asProblems(
    errors.filter(
      ({ instancePath, keyword }) =>
        !/^\/triggers\/\d+\/filters\//.test(instancePath) &&
        !(keyword === 'pattern' && /^\/(delivery|triggers\/\d+\/dedupe)\//.test(instancePath)),
    ),
  )
}

function asProblems(errors: readonly ErrorObject[]): Problem[] {
  return schemaProblems(errors, 'metadata').map((text) => ({ code: 'FN_METADATA_INVALID', text }))
}

/** What the schema cannot say. Takes anything: what has the wrong shape is reported beside it. */
function meaningProblems(raw: Record<string, unknown>, where: MetadataOrigin): Problem[] {
  const triggers: unknown[] = Array.isArray(raw['triggers']) ? raw['triggers'] : []
  return [
    ...triggers.flatMap((trigger, index) => {
      if (!isRecord(trigger)) return []
      const path = `triggers[${index}]`
      const missingName = triggers.length > 1 && trigger['name'] === undefined
      return [
        ...nameProblems(trigger, path, where),
        ...(missingName ? [nameMissing(path)] : []),
        ...triggerFilterProblems(trigger, path),
        ...dedupeProblems(trigger, path),
      ]
    }),
    ...(isRecord(raw['delivery']) ? deliveryProblems(raw['delivery']) : []),
    ...parkProblems(raw),
  ]
}

function nameProblems(
  trigger: Record<string, unknown>,
  path: string,
  { functionName }: MetadataOrigin,
): Problem[] {
  const { broker, name = functionName } = trigger
  if (typeof broker !== 'string' || typeof name !== 'string') return []
  return problemsOf(path, () => triggerIdentity({ broker, name }, functionName))
}

function nameMissing(path: string): Problem {
  return {
    code: 'FN_METADATA_INVALID',
    text: `${path}.name is missing; each of several triggers needs one, because it names the consumer group`,
  }
}

function triggerFilterProblems(trigger: Record<string, unknown>, path: string): Problem[] {
  const { filter, filters } = trigger
  const lines =
    Array.isArray(filters) && filters.length > 0
      ? filterProblems(filters, `${path}.filters`, isCompat(trigger))
      : isRecord(filter) && isRecord(filter['attributes'])
        ? attributesProblems(filter['attributes'], `${path}.filter.attributes`)
        : []
  return lines.map((text) => ({ code: 'FN_FILTER_INVALID', text }))
}

function parkProblems({ ordering = 'key', delivery }: Record<string, unknown>): Problem[] {
  if (!isRecord(delivery) || delivery['onDeadLetter'] !== 'park' || ordering === 'key') return []
  return [
    {
      code: 'FN_METADATA_INVALID',
      text: `delivery.onDeadLetter is "park", which keeps the order of a key, but ordering is ${JSON.stringify(ordering)}; use ordering "key", or leave onDeadLetter out`,
    },
  ]
}

/** Durations by path, with the least that makes sense, in milliseconds. */
const DELIVERY_DURATIONS = {
  backoffDelay: 0,
  backoffMax: 1,
  retryAfterMax: 0,
  maxAge: 1,
  timeout: 1,
} as const

function deliveryProblems(delivery: Record<string, unknown>): Problem[] {
  const { breaker } = delivery
  return [
    ...Object.entries(DELIVERY_DURATIONS).flatMap(([key, least]) =>
      durationProblems(delivery[key], joinPath('delivery', key), least),
    ),
    ...(isRecord(breaker) ? durationProblems(breaker['pause'], 'delivery.breaker.pause', 1) : []),
  ]
}

function dedupeProblems({ dedupe }: Record<string, unknown>, path: string): Problem[] {
  return isRecord(dedupe) ? durationProblems(dedupe['window'], `${path}.dedupe.window`, 1) : []
}

function durationProblems(text: unknown, path: string, leastMs: number): Problem[] {
  if (typeof text !== 'string') return []
  return problemsOf(path, () => {
    const ms = parseDuration(text)
    if (ms >= leastMs && ms <= MAX_DURATION_MS) return
    const bound = ms < leastMs ? 'too short: at least PT0.001S' : 'too long: at most 24 days, P24D'
    throw new MillraceError('FN_METADATA_INVALID', `${JSON.stringify(text)} is ${bound}`)
  })
}

/** What `check` throws, as problems of one path. */
function problemsOf(path: string, check: () => unknown): Problem[] {
  try {
    check()
    return []
  } catch (error) {
    if (!isMillraceError(error)) throw error
    const code = error.code === 'FN_NAME_INVALID' ? error.code : 'FN_METADATA_INVALID'
    return [{ code, text: `${path}: ${error.message}` }]
  }
}

function invalid(where: MetadataOrigin, problems: readonly Problem[]): MillraceError {
  const codes = new Set(problems.map((problem) => problem.code))
  const [first = 'FN_METADATA_INVALID'] = codes
  const lines = [...new Set(problems.map((problem) => problem.text))]
  const count = lines.length === 1 ? 'a problem' : `${lines.length} problems`
  return new MillraceError(
    codes.size === 1 ? first : 'FN_METADATA_INVALID',
    `The metadata of ${where.file} has ${count}:\n${lines.map((line) => `  ${line}`).join('\n')}`,
    { detail: { file: where.file, problems: lines } },
  )
}
