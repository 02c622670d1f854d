/** Small schemas, schemas that somebody edited, and values that may fit them. */
import type { SchemaObject } from '../../runtime/contract/json-schema.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'

export type Pick = <T>(choices: readonly T[]) => T

const NAMES = ['a', 'b', 'c'] as const
const STRINGS = ['', 'x', 'yy', 'zzz'] as const
const NUMBERS = [-1, 0, 0.5, 1, 2, 3] as const
const LEAVES: readonly SchemaObject[] = [
  {},
  { type: 'null' },
  { type: 'boolean' },
  { type: 'string' },
  { type: 'string', minLength: 1, maxLength: 2 },
  { type: 'string', pattern: 'y' },
  { enum: ['x', 'yy', 1] },
  { type: ['string', 'null'], enum: ['x', null] },
  { const: 'x' },
  { type: 'integer', minimum: 0 },
  { type: 'number', exclusiveMinimum: 0, maximum: 2 },
  { type: 'number', multipleOf: 0.5 },
  { type: ['integer', 'string'] },
]

/** Choices that follow from one number. */
export function picker(seed: number): Pick {
  let state = seed + 1
  return (choices) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return choices[(state >>> 8) % choices.length] as (typeof choices)[number]
  }
}

export function someSchema(pick: Pick, depth = 2): SchemaObject {
  const kind =
    depth === 0 ? 'leaf' : pick(['object', 'object', 'leaf', 'array', 'tuple', 'anyOf', 'ref'])
  const inner = (): SchemaObject => someSchema(pick, depth - 1)
  switch (kind) {
    case 'object':
      return {
        type: 'object',
        properties: Object.fromEntries(
          NAMES.filter(() => pick([true, false])).map((name) => [name, inner()]),
        ),
        required: NAMES.filter(() => pick([false, true, false])),
        ...pick<SchemaObject>([{}, {}, { additionalProperties: false }, { minProperties: 1 }]),
        ...(pick([true, false, false, false]) ? { additionalProperties: inner() } : {}),
        ...pick<SchemaObject>([{}, {}, {}, { patternProperties: { '^b': { type: 'string' } } }]),
      }
    case 'array':
      return { type: 'array', items: inner(), ...pick([{}, { minItems: 1 }, { maxItems: 1 }]) }
    case 'tuple':
      return { type: 'array', prefixItems: [inner(), inner()], ...pick([{}, { items: false }]) }
    case 'anyOf':
      return { anyOf: [inner(), inner()] }
    case 'ref':
      return { $ref: '#/$defs/shared' }
    default:
      return { ...pick(LEAVES) }
  }
}

/** With a definition that a `$ref` in it leads to. */
export function someRoot(pick: Pick): SchemaObject {
  const shared = someSchema(pick, 1)
  // A reference to itself would never come to an end.
  return { ...someSchema(pick), $defs: { shared: '$ref' in shared ? {} : shared } }
}

/** As an author changes a schema: one or more edits, anywhere. */
export function edited(schema: SchemaObject, pick: Pick): SchemaObject {
  const edits = pick([0, 1, 1, 1, 2, 3])
  let result = schema
  for (let count = 0; count < edits; count++) result = editedOnce(result, pick)
  return result
}

function editedOnce(schema: SchemaObject, pick: Pick): SchemaObject {
  const keys = Object.keys(schema)
  const key = pick(['', '', ...keys])
  const value = schema[key]
  if (isRecord(value) && key !== 'patternProperties') {
    if (['items', 'additionalProperties', 'not'].includes(key)) {
      return { ...schema, [key]: editedOnce(value, pick) }
    }
    const name = pick([...NAMES, ...Object.keys(value)])
    const inner = value[name]
    if (isRecord(inner) && pick([true, true, false])) {
      return { ...schema, [key]: { ...value, [name]: editedOnce(inner, pick) } }
    }
    if (key === '$defs') return schema
    const { [name]: _, ...others } = value
    return { ...schema, [key]: inner === undefined ? { ...value, [name]: pick(LEAVES) } : others }
  }
  if (typeof value === 'number') return { ...schema, [key]: Math.max(0.5, value + pick([-0.5, 1])) }
  if (Array.isArray(value) && key === 'enum') {
    return { ...schema, enum: pick([[...value, 'zzz'], value.slice(0, -1).concat('x')]) }
  }
  if (key === 'required') return { ...schema, required: NAMES.filter(() => pick([true, false])) }
  if (key !== '' && key !== '$defs' && pick([true, false])) {
    const { [key]: _, ...others } = schema
    return others
  }
  return {
    ...schema,
    ...pick([
      { minLength: 1 },
      { maximum: 2 },
      { anyOf: [{}, { type: 'null' }] },
      { title: 'T' },
      { additionalProperties: false },
      { not: { const: 'x' } },
    ]),
  }
}

/** Most likely a fitting one. `known`: objects have no members but those that the schema names. */
export function someValue(
  schema: unknown,
  root: SchemaObject,
  { pick, known, depth = 4 }: { pick: Pick; known: boolean; depth?: number },
): unknown {
  const options = { pick, known, depth: depth - 1 }
  if (!isRecord(schema) || depth === 0) return pick([null, true, ...STRINGS, ...NUMBERS])
  if (schema['$ref'] !== undefined) return someValue(sharedOf(root), root, options)
  if (Array.isArray(schema['anyOf'])) return someValue(pick(schema['anyOf']), root, options)
  if (Array.isArray(schema['enum'])) return pick(schema['enum'] as unknown[])
  if (schema['const'] !== undefined) return schema['const']
  const { properties, prefixItems, items, additionalProperties } = schema
  const type = schema['type'] ?? pick(['null', 'boolean', 'string', 'number', 'array', 'object'])
  switch (Array.isArray(type) ? pick(type as unknown[]) : type) {
    case 'object': {
      const named = isRecord(properties) ? properties : {}
      const isMap = isRecord(additionalProperties)
      const names = known && !isMap ? Object.keys(named) : [...NAMES, 'z']
      return Object.fromEntries(
        names
          .filter(() => pick([true, true, false]))
          .map((name) => [name, someValue(named[name] ?? additionalProperties, root, options)]),
      )
    }
    case 'array': {
      const first = Array.isArray(prefixItems) ? prefixItems : []
      return Array.from({ length: pick([0, 1, 2, 3]) }, (_, at) =>
        someValue(first[at] ?? items, root, options),
      )
    }
    case 'string':
      return pick(STRINGS)
    case 'null':
      return null
    case 'boolean':
      return pick([true, false])
    default:
      return pick(NUMBERS)
  }
}

function sharedOf({ $defs }: SchemaObject): unknown {
  return isRecord($defs) ? $defs['shared'] : undefined
}
