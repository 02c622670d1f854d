/** The keywords of the two drafts; Ajv finds unknown ones as well, but does not say where. */
import { nearest } from '../../runtime/contract/nearest.ts'
import {
  DRAFT_07,
  DRAFT_2020,
  isSchema,
  subschemas,
  type JsonSchema,
  type SchemaObject,
} from '../../runtime/contract/json-schema.ts'
import { FORMATS, linearPattern } from '../../runtime/schemas/compile-schema.ts'

export type Draft = typeof DRAFT_07 | typeof DRAFT_2020

const BOTH: readonly string[] = [
  '$comment',
  '$id',
  '$ref',
  '$schema',
  'additionalProperties',
  'allOf',
  'anyOf',
  'const',
  'contains',
  'contentEncoding',
  'contentMediaType',
  'default',
  'definitions',
  'deprecated',
  'description',
  'else',
  'enum',
  'examples',
  'exclusiveMaximum',
  'exclusiveMinimum',
  'format',
  'if',
  'items',
  'maxItems',
  'maxLength',
  'maxProperties',
  'maximum',
  'minItems',
  'minLength',
  'minProperties',
  'minimum',
  'multipleOf',
  'not',
  'oneOf',
  'pattern',
  'patternProperties',
  'properties',
  'propertyNames',
  'readOnly',
  'required',
  'then',
  'title',
  'type',
  'uniqueItems',
  'writeOnly',
]

/** For people: they say nothing about values. */
export const ANNOTATIONS: ReadonlySet<string> = new Set([
  '$comment',
  'default',
  'deprecated',
  'description',
  'examples',
  'readOnly',
  'title',
  'writeOnly',
])

const KEYWORDS: Record<Draft, readonly string[]> = {
  [DRAFT_07]: [...BOTH, 'additionalItems', 'dependencies'],
  [DRAFT_2020]: [
    ...BOTH,
    '$defs',
    'contentSchema',
    'dependentRequired',
    'dependentSchemas',
    'maxContains',
    'minContains',
    'prefixItems',
    'unevaluatedItems',
    'unevaluatedProperties',
  ],
}

/** They would change what a `$ref` means, or who may be meant by one. */
const REFUSED: ReadonlySet<string> = new Set([
  '$anchor',
  '$dynamicAnchor',
  '$dynamicRef',
  '$recursiveAnchor',
  '$recursiveRef',
  '$vocabulary',
])

const MAX_DEPTH = 64

/** The draft of a file; `undefined` for one that is not known. None named: 2020-12. */
export function draftOf({ $schema = DRAFT_2020 }: SchemaObject): Draft | undefined {
  if ($schema === DRAFT_2020) return DRAFT_2020
  return $schema === DRAFT_07 || `${String($schema)}#` === DRAFT_07 ? DRAFT_07 : undefined
}

/** What is wrong with the keywords, each with the place: `#/properties/a: …`. */
export function keywordProblems(schema: JsonSchema, draft: Draft, at = '#', depth = 0): string[] {
  if (typeof schema === 'boolean') return []
  if (depth > MAX_DEPTH) return [`${at}: schemas are nested deeper than ${MAX_DEPTH} levels`]
  return [
    ...Object.keys(schema).flatMap((keyword) => unknownKeyword(keyword, draft, at)),
    ...valueProblems(schema, at),
    ...subschemas(schema).flatMap((sub) =>
      keywordProblems(sub.schema, draft, `${at}${sub.pointer}`, depth + 1),
    ),
  ]
}

function unknownKeyword(keyword: string, draft: Draft, at: string): string[] {
  if (KEYWORDS[draft].includes(keyword) || keyword.startsWith('x-')) return []
  if (REFUSED.has(keyword)) {
    return [
      `${at}: ${keyword} is not supported; use $ref with a JSON Pointer, such as #/$defs/Item`,
    ]
  }
  const other = draft === DRAFT_07 ? DRAFT_2020 : DRAFT_07
  if (KEYWORDS[other].includes(keyword)) {
    return [`${at}: ${keyword} belongs to another draft, with "$schema": "${other}"`]
  }
  const guess = nearest(keyword, KEYWORDS[draft])
  const next = guess === undefined ? 'keywords of your own begin with x-' : `did you mean ${guess}?`
  return [`${at}: the keyword ${JSON.stringify(keyword)} is not known; ${next}`]
}

function valueProblems(
  { format, pattern, patternProperties, $id }: SchemaObject,
  at: string,
): string[] {
  const problems: string[] = []
  if (typeof format === 'string' && !(FORMATS as readonly string[]).includes(format)) {
    problems.push(
      `${at}/format: ${JSON.stringify(format)} is not known; known are ${FORMATS.join(', ')}`,
    )
  }
  if ($id !== undefined && at !== '#') {
    problems.push(`${at}/$id: only a whole file may have an $id`)
  }
  if (typeof pattern === 'string') problems.push(...patternProblems(pattern, `${at}/pattern`))
  if (isSchema(patternProperties) && typeof patternProperties === 'object') {
    for (const name of Object.keys(patternProperties)) {
      problems.push(...patternProblems(name, `${at}/patternProperties`))
    }
  }
  return problems
}

function patternProblems(pattern: string, at: string): string[] {
  try {
    linearPattern(pattern)
    return []
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return [
      `${at}: ${JSON.stringify(pattern)} cannot be checked in time linear to the text (${why}): write it without look-around and back-references`,
    ]
  }
}
