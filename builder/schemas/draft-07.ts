/** A schema of either draft in the words of draft-07, for those who know only that. */
import {
  mapSubschemas,
  type JsonSchema,
  type SchemaObject,
} from '../../runtime/contract/json-schema.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import { ANNOTATIONS } from './keywords.ts'

/**
 * What draft-07 has no word for (`unevaluatedProperties`, `minContains`, …) stays as it is and is ignored
 * there: the result allows no less than the schema. `$schema` goes.
 */
export function inDraft07(schema: SchemaObject): SchemaObject {
  const { $schema: _, ...rest } = schema
  return translated(rest) as SchemaObject
}

function translated(schema: JsonSchema): JsonSchema {
  if (typeof schema === 'boolean') return schema
  const inner = withTuple(withDependencies(mapSubschemas(schema, (sub) => translated(sub.schema))))
  return typeof inner['$ref'] === 'string' ? withLoneRef(inner, inner['$ref']) : inner
}

function withTuple(schema: SchemaObject): SchemaObject {
  const { prefixItems, items, ...rest } = schema
  if (!Array.isArray(prefixItems)) return schema
  return { ...rest, items: prefixItems, ...(items === undefined ? {} : { additionalItems: items }) }
}

function withDependencies(schema: SchemaObject): SchemaObject {
  const { dependentRequired, dependentSchemas, ...rest } = schema
  if (dependentRequired === undefined && dependentSchemas === undefined) return schema
  const required = isRecord(dependentRequired) ? dependentRequired : {}
  const schemas = isRecord(dependentSchemas) ? dependentSchemas : {}
  const both = Object.fromEntries(
    Object.entries(schemas).map(([name, one]) => [
      name,
      required[name] === undefined ? one : { allOf: [one, { required: required[name] }] },
    ]),
  )
  return { ...rest, dependencies: { ...required, ...both } }
}

/** Draft-07 ignores what stands beside a `$ref`. */
function withLoneRef(schema: SchemaObject, ref: string): SchemaObject {
  const { $ref: _, ...rest } = schema
  const $ref = ref.replaceAll('/prefixItems/', '/items/')
  const says = Object.keys(rest).filter((key) => !ANNOTATIONS.has(key) && !key.startsWith('x-'))
  const holders = says.filter((key) => key === '$defs' || key === 'definitions')
  if (says.length === 0) return { $ref }
  if (says.length === holders.length) return { ...rest, allOf: [{ $ref }] }
  const others: unknown[] = Array.isArray(rest['allOf']) ? rest['allOf'] : []
  return { ...rest, allOf: [{ $ref }, ...others] }
}
