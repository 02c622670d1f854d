/**
 * JSON Schema (draft 2020-12 and draft-07) as data: where schemas stand inside a schema. Everything that
 * walks one goes through here, so that a `$ref` inside an `enum`, or a property of that name, is left alone.
 */
import { isRecord } from './schema-problems.ts'

export type JsonSchema = boolean | SchemaObject
export interface SchemaObject {
  [keyword: string]: unknown
}

export const DRAFT_2020 = 'https://json-schema.org/draft/2020-12/schema'
export const DRAFT_07 = 'http://json-schema.org/draft-07/schema#'

/** Keywords whose value is a schema. `items` and `dependencies` may hold other things as well. */
const ONE: readonly string[] = [
  'additionalItems',
  'additionalProperties',
  'contains',
  'contentSchema',
  'else',
  'if',
  'items',
  'not',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
]
const LIST: readonly string[] = ['allOf', 'anyOf', 'items', 'oneOf', 'prefixItems']
const MAP: readonly string[] = [
  '$defs',
  'definitions',
  'dependencies',
  'dependentSchemas',
  'patternProperties',
  'properties',
]

/** One schema inside another. */
export interface Subschema {
  schema: JsonSchema
  /** JSON Pointer from the schema that it stands in: `/properties/items`. */
  pointer: string
}

/** A schema with each schema that stands directly in it replaced; the rest is shared with the original. */
export function mapSubschemas(
  schema: SchemaObject,
  replace: (sub: Subschema) => unknown,
): SchemaObject {
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => {
      const pointer = `/${escaped(keyword)}`
      if (MAP.includes(keyword) && isRecord(value)) {
        const members = Object.entries(value).map(([name, member]) => [
          name,
          isSchema(member)
            ? replace({ schema: member, pointer: `${pointer}/${escaped(name)}` })
            : member,
        ])
        return [keyword, Object.fromEntries(members)]
      }
      if (LIST.includes(keyword) && Array.isArray(value)) {
        const entries = value.map((entry: unknown, index) =>
          isSchema(entry) ? replace({ schema: entry, pointer: `${pointer}/${index}` }) : entry,
        )
        return [keyword, entries]
      }
      const isOne = ONE.includes(keyword) && isSchema(value)
      return [keyword, isOne ? replace({ schema: value, pointer }) : value]
    }),
  )
}

/** The schemas that stand directly in this one. */
export function subschemas(schema: SchemaObject): Subschema[] {
  const found: Subschema[] = []
  mapSubschemas(schema, (sub) => found.push(sub))
  return found
}

export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'boolean' || isRecord(value)
}

/** What a JSON Pointer in a URI fragment (`/$defs/Item`, or nothing for the whole) leads to. */
export function atPointer(document: unknown, fragment: string): unknown {
  if (fragment === '') return document
  if (!fragment.startsWith('/')) return undefined
  let at: unknown = document
  for (const part of fragment.slice(1).split('/')) {
    const key = unescaped(part)
    if (key === undefined || typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) {
      return undefined
    }
    at = (at as Record<string, unknown>)[key]
  }
  return at
}

function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}

function unescaped(part: string): string | undefined {
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    // A lone percent sign leads nowhere.
    return undefined
  }
}
