/** Which kinds of JSON values a schema lets through, by its `type`, `enum` and `const`. */
import type { SchemaObject } from '../../runtime/contract/json-schema.ts'
import { canonicalJson } from '../../runtime/schemas/compile-schema.ts'
import type { Facts } from './bounds.ts'

export type Kind = 'array' | 'boolean' | 'integer' | 'null' | 'number' | 'object' | 'string'

const ALL: readonly Kind[] = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string']

/** `number` comes with `integer`. */
export function kindsOf(schema: SchemaObject): ReadonlySet<Kind> {
  const { type } = schema
  const values = valuesOf(schema)
  if (values !== undefined) return new Set(values.map(kindOf))
  if (type === undefined) return new Set(ALL)
  const kinds = (Array.isArray(type) ? type : [type]) as Kind[]
  return new Set(kinds.includes('number') ? [...kinds, 'integer'] : kinds)
}

/** Why a value of `from` may be of a kind, or a value, that `to` does not have. */
export function kindMisfit(from: SchemaObject, to: SchemaObject): Facts | undefined {
  for (const keyword of ['enum', 'const'] as const) {
    if (to[keyword] === undefined) continue
    const allowed = new Set((valuesOf({ [keyword]: to[keyword] }) ?? []).map(canonicalJson))
    const given = valuesOf(from)
    if (given?.every((value) => allowed.has(canonicalJson(value))) === true) continue
    return { keyword, from: from[keyword], to: to[keyword] }
  }
  if (to['type'] === undefined) return undefined
  const allowed = kindsOf({ type: to['type'] })
  if ([...kindsOf(from)].every((kind) => allowed.has(kind))) return undefined
  return { keyword: 'type', from: from['type'], to: to['type'] }
}

/** `undefined`: any number of them. */
function valuesOf(schema: SchemaObject): unknown[] | undefined {
  if (Object.hasOwn(schema, 'const')) return [schema['const']]
  const { enum: values } = schema
  return Array.isArray(values) ? values : undefined
}

function kindOf(value: unknown): Kind {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value as Kind
}
