/**
 * What `fn check` holds the schemas against: those that were accepted, or else those of the last build.
 * The accepted ones belong into version control; a build's come and go.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { isSchema, type JsonSchema, type SchemaObject } from '../../runtime/contract/json-schema.ts'
import { isRecord, shown } from '../../runtime/contract/schema-problems.ts'
import { MillraceError } from '../../runtime/errors.ts'
import { MANIFEST_FILE } from '../manifest-file.ts'
import type { SchemaCatalog, TypeSchema } from './catalog.ts'
import { misfits, type Misfit } from './compatibility.ts'
import { ACCEPTED_FILE } from './schema-files.ts'

type Schemas = Readonly<Record<string, JsonSchema>>

export interface SchemaDirs {
  /** Absolute. */
  schemasDir: string
  /** Absolute; the last build, if there was one. */
  buildDir: string
}

export async function acceptSchemas(schemasDir: string, schemas: Schemas): Promise<string> {
  const file = path.join(schemasDir, ACCEPTED_FILE)
  await mkdir(schemasDir, { recursive: true })
  await writeFile(file, `${JSON.stringify(schemas, null, 2)}\n`)
  return file
}

/** Schemas of types that the catalog still has; without any to compare with, none. */
export async function baseline({ schemasDir, buildDir }: SchemaDirs): Promise<Schemas> {
  const file = path.join(schemasDir, ACCEPTED_FILE)
  const accepted = await readJson(file)
  if (accepted !== undefined) return schemasIn(accepted, file)
  const manifest = path.join(buildDir, MANIFEST_FILE)
  const built = await readJson(manifest)
  // A build of another version of Millrace is `fn start`'s to judge.
  return isRecord(built) && built['schemas'] !== undefined
    ? schemasIn(built['schemas'], manifest)
    : {}
}

/** A line for each change under one and the same type that somebody may not cope with. */
export function changes({ types }: Pick<SchemaCatalog, 'types'>, before: Schemas): string[] {
  return types.flatMap((one) => {
    const old = Object.hasOwn(before, one.type) ? before[one.type] : undefined
    return isRecord(old) ? changesOf(one, old) : []
  })
}

interface Change {
  path: string
  keyword: string
  was: unknown
  is: unknown
  breaks: string[]
}

function changesOf({ type, document, complete }: TypeSchema, old: SchemaObject): string[] {
  const found = new Map<string, Change>()
  const add = ({ path: at, keyword }: Misfit, was: unknown, is: unknown, who: string): void => {
    const key = `${at} ${keyword}`
    const known = found.get(key)
    if (known === undefined) found.set(key, { path: at, keyword, was, is, breaks: [who] })
    else known.breaks.push(who)
  }
  for (const one of misfits({ from: complete, to: old, for: 'reader' })) {
    add(one, one.to, one.from, 'readers')
  }
  for (const one of misfits({ from: old, to: complete, for: 'writer' })) {
    add(one, one.from, one.to, 'writers')
  }
  return [...found.values()].map(
    (change) =>
      `${document.place}: ${change.path}: ${factText(change)}; ${change.breaks.join(' and ')} of ${type} as it was may not cope. Give the new shape a type of its own, such as ${nextVersion(type)}, or accept it: fn check --accept-schemas`,
  )
}

function factText({ keyword, was, is }: Change): string {
  if (keyword === 'required') return is === true ? 'is required now' : 'is no longer required'
  if (keyword === 'false') {
    return is === false
      ? `was ${shown(was)} and is not allowed any more`
      : `was not allowed and is ${shown(is)}`
  }
  if (keyword === 'properties') {
    return is === undefined ? `is gone, and was ${shown(was)}` : `is new: ${shown(is)}`
  }
  return `${keyword} was ${valueText(was)} and is ${valueText(is)}`
}

function valueText(value: unknown): string {
  return value === undefined ? 'not there' : shown(value)
}

/** The version of a type is the `.vN` at its end; without one it is the first. */
export function nextVersion(type: string): string {
  const [, base = type, number] = /^(.*)\.v(\d+)$/.exec(type) ?? []
  return `${base}.v${Number(number ?? 1) + 1}`
}

async function readJson(file: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new MillraceError('FN_SCHEMA_INVALID', `${file} cannot be read: ${String(cause)}`, {
      cause,
    })
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new MillraceError('FN_SCHEMA_INVALID', `${file} is not JSON: ${String(cause)}`, { cause })
  }
}

function schemasIn(value: unknown, file: string): Schemas {
  if (isRecord(value) && Object.values(value).every(isSchema)) return value as Schemas
  throw new MillraceError(
    'FN_SCHEMA_INVALID',
    `${file} holds no schemas by event type: write it anew with fn check --accept-schemas`,
  )
}
