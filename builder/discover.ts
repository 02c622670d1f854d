/**
 * Which files are functions: `functions/NAME.ts` and `functions/NAME/index.ts`. Tests, type files and
 * names that begin with `_` are not, so helpers can live beside the functions that use them.
 */
import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { MillraceError } from '../runtime/errors.ts'

/** A function as found; not yet bundled. */
export interface FunctionSource {
  name: string
  /** Absolute path of the source file. */
  path: string
}

export interface Discovery {
  /** Sorted by name. */
  sources: FunctionSource[]
  /** Files that look like functions but cannot be one, with why. */
  refused: Array<FunctionSource & { error: MillraceError }>
}

/** RFC 1123 label: the name becomes the trigger's, and those of Kubernetes objects. */
const FUNCTION_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const MAX_NAME_LENGTH = 63
const NOT_A_FUNCTION = /^[_.]|^node_modules$|\.test\.ts$|\.d\.ts$/

/** Throws `FN_BUILD_FAILED` when the directory is missing or holds no function. */
export async function discoverFunctions(functionsDir: string): Promise<Discovery> {
  const found: FunctionSource[] = []
  for (const entry of await listDirectory(functionsDir)) {
    const source = await functionAt(functionsDir, entry)
    if (source !== undefined) found.push(source)
  }
  if (found.length === 0) {
    throw new MillraceError(
      'FN_BUILD_FAILED',
      `No function in ${functionsDir}: write NAME.ts there with \`export const metadata\` and \`export function handler\``,
    )
  }
  found.sort((a, b) => compare(a.name, b.name) || compare(a.path, b.path))
  return sortOut(found)
}

async function listDirectory(functionsDir: string): Promise<Dirent[]> {
  try {
    return await readdir(functionsDir, { withFileTypes: true })
  } catch (cause) {
    throw new MillraceError(
      'FN_BUILD_FAILED',
      `No functions directory at ${functionsDir}: make it, or name another one with --functions`,
      { cause },
    )
  }
}

async function functionAt(dir: string, entry: Dirent): Promise<FunctionSource | undefined> {
  if (NOT_A_FUNCTION.test(entry.name)) return undefined
  const at = path.join(dir, entry.name)
  if (entry.name.endsWith('.ts')) {
    if (!(await isFile(at))) return undefined
    return { name: entry.name.slice(0, -'.ts'.length), path: at }
  }
  const index = path.join(at, 'index.ts')
  return (await isFile(index)) ? { name: entry.name, path: index } : undefined
}

/** Follows symbolic links, which `Dirent` does not. */
async function isFile(at: string): Promise<boolean> {
  try {
    return (await stat(at)).isFile()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    throw error
  }
}

function sortOut(found: readonly FunctionSource[]): Discovery {
  const discovery: Discovery = { sources: [], refused: [] }
  const taken = new Map<string, FunctionSource>()
  for (const source of found) {
    const error = nameTrouble(source, taken.get(source.name))
    if (error === undefined) discovery.sources.push(source)
    else discovery.refused.push({ ...source, error })
    if (!taken.has(source.name)) taken.set(source.name, source)
  }
  return discovery
}

function nameTrouble(
  source: FunctionSource,
  earlier: FunctionSource | undefined,
): MillraceError | undefined {
  if (!FUNCTION_NAME.test(source.name) || source.name.length > MAX_NAME_LENGTH) {
    return new MillraceError(
      'FN_NAME_INVALID',
      `"${source.name}" cannot be a function's name: use a-z, 0-9 and "-", begin and end with a letter or digit, at most ${MAX_NAME_LENGTH} characters${suggestion(source.name)}. A file that is no function begins with "_"`,
    )
  }
  if (earlier !== undefined) {
    return new MillraceError(
      'FN_NAME_CLASH',
      `The function "${source.name}" is there twice, as ${path.basename(earlier.path)} in ${path.dirname(earlier.path)} and as ${path.basename(source.path)} in ${path.dirname(source.path)}: remove or rename one`,
    )
  }
  return undefined
}

function suggestion(name: string): string {
  const better = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_NAME_LENGTH)
    .replaceAll(/^-|-$/g, '')
  return better === '' ? '' : `, for example "${better}"`
}

/** By code unit: `localeCompare` would make the order depend on the machine. */
function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
