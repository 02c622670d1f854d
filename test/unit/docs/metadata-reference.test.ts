import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import vm from 'node:vm'
import { formatDuration } from '../../../runtime/contract/duration.ts'
import { filterProblems } from '../../../runtime/contract/filter-check.ts'
import { DEFAULT_DELIVERY } from '../../../runtime/contract/manifest.ts'
import { checkMetadata } from '../../../runtime/contract/metadata-check.ts'
import { DataCondition, Filter, FunctionMetadata } from '../../../runtime/contract/metadata.ts'

/** The parts of JSON Schema that the metadata uses. */
interface Schema {
  type?: string
  const?: unknown
  pattern?: string
  default?: unknown
  minimum?: number
  maximum?: number
  minItems?: number
  required?: string[]
  properties?: Record<string, Schema>
  patternProperties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  $defs?: Record<string, Schema>
  $ref?: string
}

const PAGE = readFileSync(new URL('../../../docs/reference/metadata.md', import.meta.url), 'utf8')
const [keys = [], filters = [], conditions = []] = tables(PAGE)

/** Applied outside the schema: these come from another place, or from the surroundings. */
const DEFAULTS_ELSEWHERE: Record<string, string> = {
  'triggers[].name': "the function's name",
  'delivery.backoffDelay': code(formatDuration(DEFAULT_DELIVERY.backoffDelayMs)),
  'delivery.timeout': code(formatDuration(DEFAULT_DELIVERY.timeoutMs)),
}

test('the page has exactly the keys of the schema, in its order, with types and defaults', () => {
  assert.deepEqual(
    keys.map(([key, type, fallback]) => [key, type, fallback]),
    rowsOf(asJson(FunctionMetadata), ''),
  )
})

test('the page has exactly the filter dialects of the schema', () => {
  const dialects = asJson(Filter).$defs?.['Filter']?.anyOf ?? []
  assert.deepEqual(
    filters.map(([key, type]) => [key, type]),
    dialects.flatMap((dialect) => rowsOf(dialect, '').map(([key, type]) => [key, type])),
  )
})

test('the page has exactly the data conditions of the schema', () => {
  assert.deepEqual(
    conditions.map(([key, type]) => [key, type]),
    rowsOf(asJson(DataCondition), '').map(([key, type]) => [key, type]),
  )
})

test('the defaults on the page are those that are applied', () => {
  const applied = checkMetadata(
    { triggers: [{ broker: 'events/b' }] },
    { file: 'functions/a.ts', functionName: 'a' },
  )
  const [trigger] = applied.triggers
  assert.ok(trigger)
  const [deduped] = checkMetadata(
    { triggers: [{ broker: 'events/b', dedupe: { window: 'PT1M' } }] },
    { file: 'functions/a.ts', functionName: 'a' },
  ).triggers
  const given: Record<string, unknown> = {
    'triggers[].startFrom': trigger.startFrom,
    'triggers[].dedupe.max': deduped?.dedupe?.max,
    ordering: trigger.ordering,
    concurrency: trigger.concurrency,
    'batch.max': applied.batch.max,
    'delivery.retry': trigger.delivery.retry,
    'delivery.backoffPolicy': trigger.delivery.backoffPolicy,
    'delivery.backoffDelay': formatDuration(trigger.delivery.backoffDelayMs),
    'delivery.jitter': trigger.delivery.jitter,
    'delivery.timeout': formatDuration(trigger.delivery.timeoutMs),
    'delivery.compat': trigger.delivery.compat,
    'delivery.onDeadLetter': trigger.delivery.onDeadLetter,
    'delivery.exactlyOnce': trigger.delivery.exactlyOnce,
    'limits.memoryMiB': applied.limits.memoryMiB,
    'limits.cpuMs': applied.limits.cpuMs,
  }
  assert.deepEqual(
    keys.filter(([, , fallback]) => fallback?.startsWith('`')).map(([key, , text]) => [key, text]),
    Object.entries(given).map(([key, value]) => [key, code(value)]),
  )
})

test('the example on the page is right', () => {
  const [, source = ''] = /export const metadata = (\{.*?\}) satisfies/s.exec(PAGE) ?? []
  const metadata: unknown = vm.runInThisContext(`(${source})`)
  const { triggers, warnings } = checkMetadata(metadata, { file: 'a.ts', functionName: 'a' })
  assert.equal(triggers.length, 1)
  assert.deepEqual(warnings, [])
})

test('the expressions on the pages are right', () => {
  const guide = readFileSync(new URL('../../../docs/guide/functions.md', import.meta.url), 'utf8')
  const expressions = [PAGE, guide].flatMap((page) =>
    Array.from(page.matchAll(/cesql: "([^"]+)"/g), ([, cesql]) => ({ cesql })),
  )
  assert.equal(expressions.length, 2)
  assert.deepEqual(filterProblems(expressions, 'page'), [])
})

/** The schema as a reader of JSON sees it. */
function asJson(schema: object): Schema {
  return JSON.parse(JSON.stringify(schema)) as Schema
}

/** The tables of a Markdown page: rows of cells, the key without its backticks. */
function tables(page: string): string[][][] {
  return page
    .split(/\n\n+/)
    .filter((block) => block.startsWith('|'))
    .map((block) =>
      block
        .split('\n')
        .slice(2)
        .filter((line) => line !== '')
        .map((line) => line.split('|').slice(1, -1))
        .map(([key = '', ...rest]) => [
          key.replaceAll('`', '').trim(),
          ...rest.map((c) => c.trim()),
        ]),
    )
}

function rowsOf(schema: Schema, prefix: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const path = `${prefix}${name}`
    const row = [path, typeText(property), defaultText(path, property, schema.required ?? [])]
    return [row, ...rowsOf(property, `${path}.`), ...rowsOf(property.items ?? {}, `${path}[].`)]
  })
}

function defaultText(path: string, schema: Schema, required: readonly string[]): string {
  if (required.includes(path.split('.').at(-1) ?? '')) return 'required'
  if (schema.default !== undefined) return code(schema.default)
  return DEFAULTS_ELSEWHERE[path] ?? 'none'
}

function typeText(schema: Schema): string {
  const { anyOf, items, patternProperties, minimum, maximum } = schema
  if (schema.const !== undefined) return code(schema.const)
  if (anyOf !== undefined) return unionText(anyOf)
  if (isFilter(schema)) return 'filter'
  if (items !== undefined) {
    if (isFilter(items)) return 'list of filters'
    return schema.minItems === undefined ? 'list' : `list, at least ${schema.minItems}`
  }
  const [member] = Object.values(patternProperties ?? {})
  if (member !== undefined) {
    if (member.type !== 'object') return `map of ${typeText(member)}`
    return member.properties === undefined ? 'map of schemas' : 'map of conditions'
  }
  if (schema.type === 'integer') {
    return `whole number, ${maximum === undefined ? `at least ${minimum}` : `${minimum} to ${maximum}`}`
  }
  if (schema.type === 'string') return schema.pattern === '^P' ? 'duration' : 'text'
  if (schema.type === 'number') return `number, ${minimum} to ${maximum}`
  return schema.type === 'boolean' ? 'true or false' : String(schema.type)
}

function unionText(members: readonly Schema[]): string {
  if (members.every((member) => member.const !== undefined)) {
    return members.map((member) => code(member.const)).join(' or ')
  }
  const names = members.map(({ type }) => (type === 'string' ? 'text' : String(type)))
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

function isFilter(schema: Schema): boolean {
  return schema.$ref !== undefined || schema.$defs !== undefined
}

function code(value: unknown): string {
  return `\`${String(value)}\``
}
