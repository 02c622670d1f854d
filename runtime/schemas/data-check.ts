/** Whether an event's data fit the schema of its type; what the ingress asks where `validate` says so. */
import type { ErrorObject } from 'ajv'
import type { Event } from '../contract/event.ts'
import type { JsonSchema } from '../contract/json-schema.ts'
import { joinPath, shown } from '../contract/schema-problems.ts'
import { MillraceError } from '../errors.ts'
import { SchemaCompiler, TooMuchWork, type SchemaCheck } from './compile-schema.ts'

/** Deeper data would take the stack, and nobody means them. */
export const MAX_DEPTH = 128

/** Throws `FN_EVENT_SCHEMA` for an event whose data do not fit; events of other types pass. */
export type DataCheck = (event: Event) => void

/** Compiles each schema once. `schemas` is the manifest's: by event type, each complete in itself. */
export function createDataCheck(schemas: Readonly<Record<string, JsonSchema>>): DataCheck {
  const compiler = new SchemaCompiler()
  const checks = new Map(
    Object.entries(schemas).map(([type, schema]) => [type, compiler.compile(schema)]),
  )
  return (event) => {
    const { type, dataref } = event.attributes
    const check = checks.get(type)
    if (check === undefined) return
    // The data lie elsewhere (the Dataref extension), and what lies there is not ours to fetch.
    if (event.data === undefined && dataref !== undefined) return
    const fault = faultOf(event, check)
    if (fault === undefined) return
    throw new MillraceError(
      'FN_EVENT_SCHEMA',
      `the data do not fit the schema of type ${shown(type)}: ${fault}`,
    )
  }
}

function faultOf({ data }: Event, check: SchemaCheck): string | undefined {
  if (data === undefined) return 'there are none, and a JSON value is expected'
  if (data.kind !== 'json') return 'a JSON value with a JSON content type is expected'
  const text = data.bytes.toString()
  if (depthOf(text) > MAX_DEPTH) return `they are nested deeper than ${MAX_DEPTH} levels`
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return `they are no JSON: ${error instanceof Error ? error.message : String(error)}`
  }
  try {
    const errors = check(value)
    return errors === undefined ? undefined : faultText(errors)
  } catch (error) {
    // A schema that calls itself without an end takes the stack first.
    if (error instanceof TooMuchWork || error instanceof RangeError)
      return 'they make the schema refer to itself too often'
    throw error
  }
}

/** Levels of nesting, without parsing: a parser may be brought down by them. */
function depthOf(json: string): number {
  let depth = 0
  let deepest = 0
  for (let at = 0; at < json.length; at++) {
    const char = json[at]
    if (char === '"') at = endOfString(json, at)
    else if (char === '[' || char === '{') deepest = Math.max(deepest, ++depth)
    else if (char === ']' || char === '}') depth--
  }
  return deepest
}

function endOfString(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at++) {
    if (json[at] === '\\') at++
    else if (json[at] === '"') return at
  }
  return json.length
}

/** `data.items[0].price must be number, but is "x"` */
export function faultText(errors: readonly ErrorObject[]): string {
  // Of alternatives, the last error speaks for all; of a condition, the one before says what failed.
  const last = errors.at(-1)
  const error = last?.keyword === 'if' ? (errors.at(-2) ?? last) : last
  if (error === undefined) return 'they are wrong'
  const path = pathOf(error.instancePath)
  switch (error.keyword) {
    case 'required':
      return `${joinPath(path, String(error.params['missingProperty']))} is missing`
    case 'additionalProperties':
      return `${joinPath(path, cut(String(error.params['additionalProperty'])))} is not known`
    case 'unevaluatedProperties':
      return `${joinPath(path, cut(String(error.params['unevaluatedProperty'])))} is not known`
    case 'enum':
      return `${path} must be one of ${listOf(error.params['allowedValues'])}, but is ${shown(error.data)}`
    case 'const':
      return `${path} must be ${shown(error.params['allowedValue'])}, but is ${shown(error.data)}`
    case 'false schema':
      return `${path} must not be there`
    default:
      return `${path} ${error.message ?? 'is wrong'}, but is ${shown(error.data)}`
  }
}

function listOf(values: unknown): string {
  const list: unknown[] = Array.isArray(values) ? values : []
  const more = list.length > 10 ? `, and ${list.length - 10} more` : ''
  return list.slice(0, 10).map(shown).join(', ') + more
}

/** Names come from the sender. */
const MAX_PATH_LENGTH = 300

function pathOf(pointer: string): string {
  const path = pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((at, part) => joinPath(at, /^\d+$/.test(part) ? Number(part) : part), 'data')
  return cut(path)
}

function cut(text: string): string {
  return text.length > MAX_PATH_LENGTH ? `${text.slice(0, MAX_PATH_LENGTH)}…` : text
}
