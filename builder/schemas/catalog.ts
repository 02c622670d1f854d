/** Every schema of a project, from its folder and its functions, by event type. */
import path from 'node:path'
import { canonicalJson, SchemaCompiler } from '../../runtime/schemas/compile-schema.ts'
import type { JsonSchema, SchemaObject } from '../../runtime/contract/json-schema.ts'
import { schemaProblems } from '../../runtime/contract/schema-problems.ts'
import { isMillraceError, MillraceError } from '../../runtime/errors.ts'
import { completeSchema } from './complete-schema.ts'
import {
  checkDocument,
  readSchemaFolder,
  schemaInvalid,
  typeOfFile,
  type SchemaDocument,
  type SchemaFolder,
} from './schema-files.ts'

/** The `schemas` of one function's metadata. */
export interface DeclaredSchemas {
  /** Source file of the function, relative to the project. */
  file: string
  schemas: Readonly<Record<string, JsonSchema>>
}

export interface TypeSchema {
  type: string
  document: SchemaDocument
  /** Needs no other file. */
  complete: SchemaObject
}

export interface SchemaCatalog {
  /** Sorted by type. */
  types: TypeSchema[]
  /** What the manifest holds. */
  schemas: Readonly<Record<string, JsonSchema>>
  /** All files of the folder, by name. */
  files: ReadonlyMap<string, SchemaDocument>
  errors: MillraceError[]
}

/**
 * Reads and checks the files, then takes what functions declare: two steps, because the first can be
 * done while functions are bundled. What is wrong is in `errors`, one `FN_SCHEMA_INVALID` a place; such a
 * schema is left out.
 */
export class CatalogReader {
  readonly #files: ReadonlyMap<string, SchemaDocument>
  readonly #errors: MillraceError[]
  readonly #types = new Map<string, TypeSchema>()
  readonly #compiler = new SchemaCompiler()

  /** `schemasDir`: absolute, or relative to the project; it need not be there. */
  static async open(projectDir: string, schemasDir: string): Promise<CatalogReader> {
    const dir = path.resolve(projectDir, schemasDir)
    const shownAs = path.relative(projectDir, dir).split(path.sep).join('/') || '.'
    return new CatalogReader(await readSchemaFolder(dir, shownAs))
  }

  private constructor({ files, errors }: SchemaFolder) {
    this.#files = files
    this.#errors = [...errors]
    for (const [name, document] of files) {
      const type = typeOfFile(name)
      // What nobody uses is to be right as well.
      if (type === undefined) this.#guard(() => this.#checked(document, name))
      else this.#add(type, () => document, name)
    }
  }

  catalog(declared: readonly DeclaredSchemas[]): SchemaCatalog {
    for (const { file, schemas } of declared) {
      for (const [type, schema] of Object.entries(schemas)) {
        const place = `${file}: schemas[${JSON.stringify(type)}]`
        this.#add(type, () => checkDocument(schema, place))
      }
    }
    const types = [...this.#types.values()].toSorted((a, b) => (a.type < b.type ? -1 : 1))
    const schemas = Object.fromEntries(types.map(({ type, complete }) => [type, complete]))
    return { types, schemas, files: this.#files, errors: distinct(this.#errors) }
  }

  #add(type: string, document: () => SchemaDocument, name?: string): void {
    this.#guard(() => {
      const own = document()
      const one = { type, document: own, complete: this.#checked(own, name) }
      const other = this.#types.get(type)
      refuseClash(one, other)
      if (other === undefined) this.#types.set(type, one)
    })
  }

  #guard(step: () => void): void {
    try {
      step()
    } catch (error) {
      if (!isMillraceError(error)) throw error
      this.#errors.push(error)
    }
  }

  #checked(document: SchemaDocument, name: string | undefined): SchemaObject {
    const problems = schemaProblems(this.#compiler.metaSchemaErrors(document.schema), '#')
    if (problems.length > 0) throw schemaInvalid(document.place, problems)
    const complete = completeSchema(document, this.#files, name)
    try {
      this.#compiler.compile(complete)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new MillraceError('FN_SCHEMA_INVALID', `${document.place}: ${why}`, { cause })
    }
    return complete
  }
}

function refuseClash(one: TypeSchema, other: TypeSchema | undefined): void {
  if (other === undefined || canonicalJson(one.complete) === canonicalJson(other.complete)) return
  throw new MillraceError(
    'FN_SCHEMA_INVALID',
    `The type ${one.type} has two schemas that differ, in ${other.document.place} and in ${one.document.place}: keep one`,
  )
}

/** A broken reference of a shared file is met again by each file that uses it. */
function distinct(errors: readonly MillraceError[]): MillraceError[] {
  return [...new Map(errors.map((error) => [error.message, error])).values()]
}
