/**
 * Ajv, bounded: a schema is its author's, the data are a stranger's. Ajv alone can be made to work for
 * hours, by a pattern that backtracks, by `uniqueItems` over many objects, or by alternatives that call
 * themselves.
 */
import { Ajv, type ErrorObject, type Format, type Options } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { fullFormats } from 'ajv-formats/dist/formats.js'
import { RE2JS } from 're2js'
import {
  DRAFT_07,
  mapSubschemas,
  type JsonSchema,
  type SchemaObject,
} from '../contract/json-schema.ts'
import { isRecord } from '../contract/schema-problems.ts'

/** The fault of a value, or undefined where it fits. Throws `TooMuchWork`. */
export type SchemaCheck = (value: unknown) => ErrorObject[] | undefined

/** The data make the schema call itself more often than anything sensible does. */
export class TooMuchWork extends Error {}

export const MAX_STEPS = 500_000
/** A longer text has none of the formats. */
const MAX_FORMAT_LENGTH = 2_048

export const FORMATS = [
  'byte',
  'date',
  'date-time',
  'double',
  'duration',
  'email',
  'float',
  'hostname',
  'int32',
  'int64',
  'ipv4',
  'ipv6',
  'iso-date-time',
  'iso-time',
  'json-pointer',
  'time',
  'uri',
  'uri-reference',
  'uuid',
] as const

const STEP = 'millrace-step'

/** Compiles any number of schemas; making one takes far longer than a schema does. */
export class SchemaCompiler {
  readonly #ajvs = new Map<boolean, Ajv>()
  #steps = 0

  /**
   * For a schema that the meta-schema has nothing against. Throws what Ajv throws for one that it cannot
   * compile, and for a pattern that RE2 cannot run.
   */
  compile(schema: JsonSchema): SchemaCheck {
    const validate = this.#ajvFor(schema).compile(counted(schema))
    return (value) => {
      this.#steps = 0
      return validate(value) ? undefined : (validate.errors ?? [])
    }
  }

  /** What the meta-schema says against a schema. */
  metaSchemaErrors(schema: SchemaObject): ErrorObject[] {
    const ajv = this.#ajvFor(schema)
    return ajv.validateSchema(schema) === true ? [] : (ajv.errors ?? [])
  }

  #ajvFor(schema: JsonSchema): Ajv {
    const isOld = isRecord(schema) && schema['$schema'] === DRAFT_07
    const known = this.#ajvs.get(isOld)
    if (known !== undefined) return known
    const ajv = createAjv(isOld, () => this.#step())
    this.#ajvs.set(isOld, ajv)
    return ajv
  }

  #step(): void {
    this.#steps++
    if (this.#steps > MAX_STEPS) throw new TooMuchWork()
  }
}

/** Runs a pattern in time linear to the text: no look-around, no back-references. Throws for those. */
export function linearPattern(pattern: string): { test(text: string): boolean } {
  const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern))
  return { test: (text) => compiled.matcher(text).find() }
}

function createAjv(isOld: boolean, step: () => void): Ajv {
  const options: Options = {
    strict: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    allowUnionTypes: true,
    allowMatchingProperties: true,
    // `required: ["toString"]` means the data's own.
    ownProperties: true,
    // Asked for where schemas are read, not where they are used: compiling the meta-schema is slow.
    validateSchema: false,
    verbose: true,
    logger: false,
    code: { regExp: Object.assign(linearPattern, { code: 'linearPattern' }) },
  }
  const ajv = isOld ? new Ajv(options) : new Ajv2020(options)
  for (const name of FORMATS) ajv.addFormat(name, boundedFormat(fullFormats[name]))
  ajv.addKeyword({
    keyword: STEP,
    schemaType: 'boolean',
    before: '$ref',
    errors: false,
    validate: () => {
      step()
      return true
    },
  })
  ajv.removeKeyword('uniqueItems')
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    error: { message: 'must not have equal entries' },
    validate: (unique: boolean, entries: unknown[]) =>
      !unique || new Set(entries.map(canonicalJson)).size === entries.length,
  })
  return ajv
}

/** Some of the expressions behind formats take quadratic time. */
function boundedFormat(format: Format): Format {
  if (format instanceof RegExp) return boundedText((text) => format.test(text))
  if (typeof format === 'function') return boundedText((text) => format(text) === true)
  if (typeof format !== 'object') return format
  const test: unknown = format.validate
  if (test instanceof RegExp) return boundedText((text) => test.test(text))
  if (format.type === 'number' || typeof test !== 'function') return format
  return boundedText((text) => test(text) === true)
}

function boundedText(test: (text: string) => boolean): (text: string) => boolean {
  return (text) => text.length <= MAX_FORMAT_LENGTH && test(text)
}

/**
 * The schema with a counter wherever a `$ref` may lead: without one, work is bounded by the sizes of the
 * schema and of the data. Keywords of the author's own (`x-…`) mean nothing to Ajv.
 */
function counted(schema: JsonSchema): JsonSchema {
  if (typeof schema === 'boolean') return schema
  const known = Object.fromEntries(Object.entries(schema).filter(([key]) => !key.startsWith('x-')))
  return { ...mapSubschemas(known, (sub) => counted(sub.schema)), [STEP]: true }
}

/** One text for equal values, whatever the order of their members. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (!isRecord(value)) return JSON.stringify(value) ?? 'null'
  const members = Object.keys(value)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`)
  return `{${members.join(',')}}`
}
