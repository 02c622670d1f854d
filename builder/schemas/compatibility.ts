/**
 * Whether a value that fits one schema fits another: each reason why it may not, by keyword and place.
 * Where this finds none, none is lost; where it cannot tell, it says so.
 *
 * A changed schema is asked twice. From new to old: those who read by the old schema meet what is written
 * by the new one. From old to new: those who still write by the old schema meet the new one.
 */
import {
  atPointer,
  isSchema,
  subschemas,
  type JsonSchema,
  type SchemaObject,
} from '../../runtime/contract/json-schema.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import { canonicalJson } from '../../runtime/schemas/compile-schema.ts'
import { ANNOTATIONS } from './keywords.ts'
import { boundMisfits } from './bounds.ts'
import { kindMisfit, kindsOf } from './value-kinds.ts'

/** Why a value of the one schema may not fit the other. */
export interface Misfit {
  /** JSON Pointer into the schemas: `#/properties/amount`. */
  path: string
  keyword: string
  from: unknown
  to: unknown
}

export interface Comparison {
  from: SchemaObject
  to: SchemaObject
  /**
   * `reader`: a property that only `to` has is one that readers have lost. `writer`: it is one that
   * writers do not know yet, so they do not write it.
   */
  for: 'reader' | 'writer'
}

export function misfits(comparison: Comparison): Misfit[] {
  const found = new Comparer(comparison).compare(comparison.from, comparison.to, '#')
  return [...new Map(found.map((one) => [`${one.path} ${one.keyword}`, one])).values()]
}

/** Keywords that are compared by meaning; of others, `to` may have none that `from` has not the same. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  'additionalProperties',
  'allOf',
  'anyOf',
  'const',
  'enum',
  'items',
  'maxItems',
  'maxLength',
  'maxProperties',
  'maximum',
  'minItems',
  'minLength',
  'minProperties',
  'minimum',
  'exclusiveMaximum',
  'exclusiveMinimum',
  'prefixItems',
  'properties',
  'required',
  'type',
])
const SAYS_NOTHING: ReadonlySet<string> = new Set([
  ...ANNOTATIONS,
  '$defs',
  '$id',
  '$ref',
  '$schema',
  'contentEncoding',
  'contentMediaType',
  'contentSchema',
  'definitions',
])

/** `true` as an object, always the same one. */
const ANYTHING: SchemaObject = {}

class Comparer {
  readonly #comparison: Comparison
  /** Pairs on the way: what calls itself fits if all the rest does. */
  readonly #open = new Map<JsonSchema, Set<JsonSchema>>()

  constructor(comparison: Comparison) {
    this.#comparison = comparison
  }

  compare(rawFrom: JsonSchema, rawTo: JsonSchema, path: string): Misfit[] {
    const given = rawFrom === true ? ANYTHING : rawFrom
    if (this.#isOpen(given, rawTo)) return []
    const from = resolved(given, this.#comparison.from)
    const to = resolved(rawTo, this.#comparison.to)
    if (to === true || from === false) return []
    if (to === false) return [{ path, keyword: 'false', from, to: false }]
    if (from === true) return this.compare(ANYTHING, to, path)
    const kinds = kindMisfit(from, to)
    if (kinds !== undefined) return [{ path, ...kinds }]
    return [
      ...boundMisfits(from, to).map((facts) => ({ path, ...facts })),
      ...this.#properties(from, to, path),
      ...this.#entries(from, to, path),
      ...this.#alternatives(from, to, path),
      ...this.#others(from, to, path),
    ]
  }

  #isOpen(from: JsonSchema, to: JsonSchema): boolean {
    if (typeof from === 'boolean' || typeof to === 'boolean') return false
    const open = this.#open.get(from)
    if (open?.has(to) === true) return true
    this.#open.set(from, (open ?? new Set()).add(to))
    return false
  }

  #properties(from: SchemaObject, to: SchemaObject, path: string): Misfit[] {
    if (!kindsOf(from).has('object') || !kindsOf(to).has('object')) return []
    const known = mapOf(from['properties'])
    const wanted = mapOf(to['properties'])
    const found: Misfit[] = []
    for (const [name, schema] of Object.entries(wanted)) {
      const at = memberPath(path, name)
      const own = Object.hasOwn(known, name) ? known[name] : undefined
      if (own !== undefined) found.push(...this.compare(own, schema, at))
      else found.push(...this.#unnamed(from, schema, at))
    }
    const must = listOf(from['required'])
    for (const name of listOf(to['required'])) {
      // Of what is gone altogether, that says enough.
      const isGone = this.#comparison.for === 'reader' && !Object.hasOwn(known, name)
      if (must.includes(name) || (isGone && Object.hasOwn(wanted, name))) continue
      found.push({ path: memberPath(path, name), keyword: 'required', from: false, to: true })
    }
    return [...found, ...this.#further(from, to, path)]
  }

  /** A property that only `to` names. */
  #unnamed(from: SchemaObject, schema: JsonSchema, path: string): Misfit[] {
    if (this.#comparison.for === 'reader' || from['patternProperties'] !== undefined) {
      return [{ path, keyword: 'properties', from: undefined, to: schema }]
    }
    // An open object means: no such member, because nobody has heard of it.
    const rest = further(from)
    return rest === true ? [] : this.compare(rest, schema, path)
  }

  /** Members that `to` does not name. */
  #further(from: SchemaObject, to: SchemaObject, path: string): Misfit[] {
    const rest = further(to)
    if (rest === true) return []
    const named = mapOf(to['properties'])
    const found = Object.entries(mapOf(from['properties']))
      .filter(([name]) => !Object.hasOwn(named, name))
      .flatMap(([name, schema]) => this.compare(schema, rest, memberPath(path, name)))
    // A pattern of its own lets further members in.
    const patterns = from['patternProperties']
    const isOpen =
      patterns !== undefined && canonicalJson(patterns) !== canonicalJson(to['patternProperties'])
    const others = isOpen ? ANYTHING : further(from)
    return [...found, ...this.compare(others, rest, `${path}/additionalProperties`)]
  }

  #entries(from: SchemaObject, to: SchemaObject, path: string): Misfit[] {
    if (!kindsOf(from).has('array') || !kindsOf(to).has('array')) return []
    const [given, wanted] = [tuple(from), tuple(to)]
    const length = Math.max(given.first.length, wanted.first.length)
    const first = Array.from({ length }, (_, index) =>
      this.compare(
        given.first[index] ?? given.rest,
        wanted.first[index] ?? wanted.rest,
        `${path}/prefixItems/${index}`,
      ),
    )
    return [...first.flat(), ...this.compare(given.rest, wanted.rest, `${path}/items`)]
  }

  #alternatives(from: SchemaObject, to: SchemaObject, path: string): Misfit[] {
    const found: Misfit[] = []
    for (const keyword of ['anyOf', 'allOf'] as const) {
      const wanted = schemasIn(to[keyword])
      if (wanted.length === 0) continue
      const given = schemasIn(from[keyword])
      const fits =
        keyword === 'anyOf'
          ? (given.length > 0 ? given : [from]).every((one) =>
              wanted.some((other) => this.#fits(one, other)),
            )
          : wanted.every((one) => [from, ...given].some((other) => this.#fits(other, one)))
      if (!fits) found.push({ path, keyword, from: from[keyword], to: to[keyword] })
    }
    return found
  }

  /** A trial: what it meets on its way is not taken for granted afterwards. */
  #fits(from: JsonSchema, to: JsonSchema): boolean {
    const trial = new Comparer(this.#comparison)
    for (const [key, set] of this.#open) trial.#open.set(key, new Set(set))
    return trial.compare(from, to, '').length === 0
  }

  #others(from: SchemaObject, to: SchemaObject, path: string): Misfit[] {
    return Object.keys(to)
      .filter((key) => !UNDERSTOOD.has(key) && !SAYS_NOTHING.has(key) && !key.startsWith('x-'))
      .filter((key) => to[key] !== false || key !== 'uniqueItems')
      .filter((key) => {
        const [mine, theirs] = [from, to].map((schema) => withPartners(key, schema))
        return !this.#isSame(mine, theirs)
      })
      .map((keyword) => ({ path, keyword, from: from[keyword], to: to[keyword] }))
  }

  /** Equal in every letter, with every `$ref` in it leading to what is equal too. */
  #isSame(from: unknown, to: unknown): boolean {
    if (from === undefined || canonicalJson(from) !== canonicalJson(to)) return false
    return (
      canonicalJson(this.#targets(from, this.#comparison.from)) ===
      canonicalJson(this.#targets(to, this.#comparison.to))
    )
  }

  #targets(value: unknown, root: SchemaObject): Record<string, unknown> {
    const targets: Record<string, unknown> = {}
    const look = (schema: unknown): void => {
      if (!isRecord(schema)) return
      const { $ref } = schema
      if (typeof $ref === 'string' && !Object.hasOwn(targets, $ref)) {
        targets[$ref] = atPointer(root, $ref.slice(1))
        look(targets[$ref])
      }
      for (const sub of subschemas(schema)) look(sub.schema)
    }
    // The value of a keyword: a schema, a list of them, or a map.
    const candidates: unknown[] = Array.isArray(value)
      ? value
      : [value, ...(isRecord(value) ? Object.values(value) : [])]
    for (const candidate of candidates) look(candidate)
    return targets
  }
}

/** The keyword's value, with those of the keywords that change its meaning. */
function withPartners(keyword: string, schema: SchemaObject): unknown {
  if (keyword.startsWith('unevaluated')) return schema
  if (!/contains$/i.test(keyword)) return schema[keyword]
  return [schema['contains'], schema['minContains'] ?? 1, schema['maxContains'] ?? null]
}

function memberPath(path: string, name: string): string {
  return `${path}/properties/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** Follows a `$ref` to what is none; what stands beside it counts as well. */
function resolved(schema: JsonSchema, root: SchemaObject): JsonSchema {
  const beside: SchemaObject[] = []
  const seen = new Set<JsonSchema>()
  let at: JsonSchema = schema
  while (typeof at !== 'boolean' && typeof at['$ref'] === 'string') {
    // References in a circle let nothing through.
    if (seen.has(at)) return false
    seen.add(at)
    const { $ref, ...rest } = at
    const says = Object.keys(rest).some((key) => !SAYS_NOTHING.has(key) && !key.startsWith('x-'))
    if (says) beside.push(rest)
    const target: unknown = atPointer(root, String($ref).slice(1))
    if (!isSchema(target)) return schema
    at = target
  }
  return beside.length === 0 ? at : { allOf: [at, ...beside] }
}

function further(schema: SchemaObject): JsonSchema {
  const rest = schema['additionalProperties']
  return isSchema(rest) ? rest : true
}

/** Tuples of both drafts. */
function tuple(schema: SchemaObject): { first: JsonSchema[]; rest: JsonSchema } {
  const { prefixItems, items, additionalItems } = schema
  if (Array.isArray(items)) {
    return {
      first: items.filter(isSchema),
      rest: isSchema(additionalItems) ? additionalItems : true,
    }
  }
  return { first: schemasIn(prefixItems), rest: isSchema(items) ? items : true }
}

function schemasIn(value: unknown): JsonSchema[] {
  return Array.isArray(value) ? value.filter(isSchema) : []
}

function mapOf(value: unknown): Record<string, JsonSchema> {
  return isRecord(value) ? (value as Record<string, JsonSchema>) : {}
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}
