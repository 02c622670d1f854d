/** The files of `schemas/`: `TYPE.json` is the schema of an event type, `_NAME.json` is shared by others. */
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { SchemaObject } from '../../runtime/contract/json-schema.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import { MillraceError } from '../../runtime/errors.ts'
import { draftOf, keywordProblems, type Draft } from './keywords.ts'

export interface SchemaDocument {
  /** As messages name it: `schemas/a.json`, or `functions/a.ts: schemas["com.example.a"]`. */
  place: string
  schema: SchemaObject
  draft: Draft
}

export interface SchemaFolder {
  /** By file name. */
  files: Map<string, SchemaDocument>
  errors: MillraceError[]
}

/** The accepted state of all schemas, which no `$ref` may use. */
export const ACCEPTED_FILE = '_accepted.json'

/** No folder is an empty one. `shownAs`: the folder as messages name it. */
export async function readSchemaFolder(dir: string, shownAs: string): Promise<SchemaFolder> {
  const folder: SchemaFolder = { files: new Map(), errors: [] }
  for (const name of (await namesIn(dir)).toSorted()) {
    if (!name.endsWith('.json') || name === ACCEPTED_FILE) continue
    const place = `${shownAs}/${name}`
    try {
      const text = await readFile(path.join(dir, name), 'utf8')
      folder.files.set(name, checkDocument(parse(text, place), place))
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      folder.errors.push(error)
    }
  }
  return folder
}

/** The event type that a file of this name is for; `undefined` for one that only others use. */
export function typeOfFile(name: string): string | undefined {
  return name.startsWith('_') ? undefined : name.slice(0, -'.json'.length)
}

/** Throws `FN_SCHEMA_INVALID` for what is no schema object, or has keywords that mean nothing. */
export function checkDocument(value: unknown, place: string): SchemaDocument {
  if (!isRecord(value)) throw schemaInvalid(place, ['#: a schema must be a JSON object'])
  const draft = draftOf(value)
  if (draft === undefined) {
    throw schemaInvalid(place, [
      `#/$schema: ${JSON.stringify(value['$schema'])} is not supported; draft 2020-12 and draft-07 are`,
    ])
  }
  const problems = keywordProblems(value, draft)
  if (problems.length > 0) throw schemaInvalid(place, problems)
  return { place, schema: { ...value, $schema: draft }, draft }
}

export function schemaInvalid(place: string, problems: readonly string[]): MillraceError {
  return new MillraceError(
    'FN_SCHEMA_INVALID',
    problems.map((problem) => `${place}: ${problem}`).join('\n'),
    { detail: { file: place } },
  )
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new MillraceError('FN_SCHEMA_INVALID', `${dir} cannot be read: ${String(cause)}`, {
      cause,
    })
  }
}

function parse(text: string, place: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new MillraceError('FN_SCHEMA_INVALID', `${place} is not JSON: ${why}`, { cause })
  }
}
