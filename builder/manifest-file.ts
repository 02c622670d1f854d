/** Reads a build back, and refuses one that is not whole: `FN_MANIFEST_INVALID`. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import {
  MANIFEST_VERSION,
  type FunctionManifest,
  type Manifest,
} from '../runtime/contract/manifest.ts'
import { isSchema, type JsonSchema } from '../runtime/contract/json-schema.ts'
import { isRecord } from '../runtime/contract/schema-problems.ts'
import type { FunctionBundle } from '../runtime/contract/work.ts'
import { MillraceError } from '../runtime/errors.ts'

export const MANIFEST_FILE = 'manifest.json'

export interface BuiltFunctions {
  manifest: Manifest
  /** By function name. */
  bundles: Map<string, FunctionBundle>
}

/** The manifest of a build folder, checked as by `readBuild`. */
export async function readManifest(dir: string): Promise<Manifest> {
  return (await readBuild(dir)).manifest
}

/**
 * The manifest and every bundle. Throws `FN_MANIFEST_INVALID` when the folder or a file is missing, the
 * manifest is damaged or of another version, or a bundle is not the one that the manifest was made with.
 */
export async function readBuild(dir: string): Promise<BuiltFunctions> {
  const manifest = parseManifest(await readText(dir, MANIFEST_FILE), path.join(dir, MANIFEST_FILE))
  const bundles = new Map<string, FunctionBundle>()
  for (const entry of manifest.functions) bundles.set(entry.name, await readBundle(dir, entry))
  return { manifest, bundles }
}

/** What `FunctionManifest.version` holds. */
export function bundleVersion(code: string): string {
  return createHash('sha256').update(code).digest('hex')
}

async function readBundle(dir: string, entry: FunctionManifest): Promise<FunctionBundle> {
  const code = await readText(dir, entry.bundle)
  if (bundleVersion(code) !== entry.version) {
    throw invalid(
      `${path.join(dir, entry.bundle)} is not the bundle that ${MANIFEST_FILE} was made with`,
    )
  }
  return { code, map: await readText(dir, entry.map) }
}

async function readText(dir: string, name: string): Promise<string> {
  try {
    return await readFile(path.join(dir, name), 'utf8')
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    const what = missing ? 'is not there' : `cannot be read: ${String(cause)}`
    throw invalid(`${path.join(dir, name)} ${what}`, cause)
  }
}

function parseManifest(text: string, file: string): Manifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw invalid(`${file} is not JSON`, cause)
  }
  if (!isRecord(value)) throw invalid(`${file} is not a manifest`)
  if (value['version'] !== MANIFEST_VERSION) {
    throw invalid(
      `${file} has version ${JSON.stringify(value['version'])}, this Millrace reads version ${MANIFEST_VERSION}`,
    )
  }
  const { functions, schemas } = value
  if (!Array.isArray(functions) || !functions.every(isFunctionEntry)) {
    throw invalid(`${file} is damaged: its functions are not as a build writes them`)
  }
  if (schemas === undefined) return { version: MANIFEST_VERSION, functions }
  if (!isRecord(schemas) || !Object.values(schemas).every(isSchema)) {
    throw invalid(`${file} is damaged: its schemas are not as a build writes them`)
  }
  return { version: MANIFEST_VERSION, functions, schemas: schemas as Record<string, JsonSchema> }
}

/** Only what would lead astray; the rest is vouched for by the version and by who wrote it. */
function isFunctionEntry(value: unknown): value is FunctionManifest {
  return (
    isRecord(value) &&
    ['name', 'namespace', 'file', 'version'].every((key) => typeof value[key] === 'string') &&
    [value['bundle'], value['map']].every(isPlainFileName) &&
    isRecord(value['limits']) &&
    Array.isArray(value['triggers']) &&
    value['triggers'].every(isRecord)
  )
}

function isPlainFileName(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && path.basename(value) === value
}

function invalid(what: string, cause?: unknown): MillraceError {
  return new MillraceError('FN_MANIFEST_INVALID', `${what}: run \`fn build\``, { cause })
}
