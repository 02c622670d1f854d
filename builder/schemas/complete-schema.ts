/**
 * One schema out of a file and those that it refers to, so that the runtime needs no files: they move
 * below `$defs` (draft-07: `definitions`) under their names, and each `$ref` follows them there.
 */
import {
  atPointer,
  DRAFT_07,
  isSchema,
  mapSubschemas,
  type JsonSchema,
  type SchemaObject,
} from '../../runtime/contract/json-schema.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import { schemaInvalid, type SchemaDocument } from './schema-files.ts'

/** A `$ref` taken apart. */
interface Reference {
  /** `undefined`: the document that the reference stands in. */
  file: string | undefined
  /** A JSON Pointer in a URI fragment, without its `#`. */
  pointer: string
}

/** Where a reference ends up: the place of its document in the new schema, such as `#/$defs/item.json`. */
export type Placing = (file: string) => string

/**
 * `name`: the document's own file name, if it is a file. Throws `FN_SCHEMA_INVALID` for a reference that
 * leads nowhere, out of the folder, or to a file of another draft.
 */
export function completeSchema(
  root: SchemaDocument,
  files: ReadonlyMap<string, SchemaDocument>,
  name?: string,
): SchemaObject {
  const holder = root.draft === DRAFT_07 ? 'definitions' : '$defs'
  const needed = filesBehind(root, files)
  const placing: Placing = (file) =>
    file === name ? '#' : `#/${holder}/${encodeURIComponent(file)}`
  const { $id: _, ...own } = placed(root, '#', placing)
  const others = [...needed.keys()].filter((file) => file !== name)
  if (others.length === 0) return own
  const definitions = isRecord(own[holder]) ? own[holder] : {}
  const moved = others.toSorted().map((file) => {
    if (Object.hasOwn(definitions, file)) {
      throw schemaInvalid(root.place, [`#/${holder}/${file}: rename it, a file has that name`])
    }
    const {
      $id: __,
      $schema: ___,
      ...schema
    } = placed(needed.get(file) as SchemaDocument, placing(file), placing)
    return [file, schema] as const
  })
  return { ...own, [holder]: { ...definitions, ...Object.fromEntries(moved) } }
}

/** The document with its references led to where the documents are. */
export function placed(document: SchemaDocument, at: string, placing: Placing): SchemaObject {
  const follow = (schema: JsonSchema): JsonSchema => {
    if (typeof schema === 'boolean') return schema
    const { $ref } = schema
    const inner = mapSubschemas(schema, (sub) => follow(sub.schema))
    if (typeof $ref !== 'string') return inner
    const { file, pointer } = reference($ref) as Reference
    return { ...inner, $ref: `${file === undefined ? at : placing(file)}${pointer}` }
  }
  return follow(document.schema) as SchemaObject
}

/** By name, all files that the document needs, directly or through others; every reference is checked. */
export function filesBehind(
  root: SchemaDocument,
  files: ReadonlyMap<string, SchemaDocument>,
): Map<string, SchemaDocument> {
  const needed = new Map<string, SchemaDocument>()
  const look = (document: SchemaDocument, schema: JsonSchema, at: string): void => {
    if (typeof schema === 'boolean') return
    mapSubschemas(schema, (sub) => look(document, sub.schema, `${at}${sub.pointer}`))
    const { $ref } = schema
    if (typeof $ref !== 'string') return
    const target = targetOf($ref, { document, at, files })
    if (target === undefined || needed.has(target.file)) return
    needed.set(target.file, target.document)
    look(target.document, target.document.schema, '#')
  }
  look(root, root.schema, '#')
  return needed
}

interface Origin {
  document: SchemaDocument
  at: string
  files: ReadonlyMap<string, SchemaDocument>
}

/** `undefined` for a reference within its own document. */
function targetOf(
  $ref: string,
  { document, at, files }: Origin,
): { file: string; document: SchemaDocument } | undefined {
  const refuse = (why: string): never => {
    throw schemaInvalid(document.place, [`${at}/$ref: ${JSON.stringify($ref)} ${why}`])
  }
  const found = reference($ref)
  if (found === undefined) {
    return refuse('is not in the folder of the schemas: nothing is fetched, put a copy there')
  }
  const { file, pointer } = found
  const target = file === undefined ? document : files.get(file)
  if (target === undefined) return refuse('names a file that is not there, or is no schema')
  if (target.draft !== document.draft) {
    return refuse(`leads to another draft of JSON Schema: give both files the same $schema`)
  }
  if (!isSchema(atPointer(target.schema, pointer))) return refuse('leads to no schema')
  return file === undefined ? undefined : { file, document: target }
}

/** `undefined` for what is neither a pointer nor a file of the same folder. */
function reference($ref: string): Reference | undefined {
  const [, dot, file = '', pointer = ''] = /^(\.\/)?([^#/\\:?]*)(?:#(.*))?$/s.exec($ref) ?? []
  if (dot === undefined && file === '')
    return $ref.startsWith('#') || $ref === '' ? { file: undefined, pointer } : undefined
  const name = decoded(file)
  return name?.endsWith('.json') ? { file: name, pointer } : undefined
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    // A lone percent sign: no name of a file in a URI.
    return undefined
  }
}
