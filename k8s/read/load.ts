/** Files and folders of resources, compiled. */
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Topology } from '../../runtime/contract/topology.ts'
import { MillraceError } from '../../runtime/errors.ts'
import { compileResources, type CompileOptions } from './compile.ts'
import { parseResources } from './parse.ts'
import { findingLine, type Finding, type Resource } from './resource.ts'

export interface LoadedResources {
  topology: Topology
  findings: Finding[]
  /** Those that were read, as the paths named them. */
  files: string[]
}

/** Far beyond what people write, and little enough to parse. */
const MAX_FILE_BYTES = 16 * 1024 * 1024
/** Hidden files, and what packages bring. */
const NOT_MEANT = /(^|[\\/])(\.|node_modules[\\/])/
const ENDINGS = ['.yaml', '.yml', '.json']

/**
 * Reads files as they are named, and every `.yaml`, `.yml` and `.json` file in folders and below.
 * Everything that is wrong is a finding, also a path that is not there; `refuseErrors` throws them.
 */
export async function loadResources(
  paths: readonly string[],
  options: CompileOptions,
): Promise<LoadedResources> {
  const { resources, findings, files } = await readResources(paths)
  const compiled = compileResources(resources, options)
  return {
    topology: compiled.topology,
    findings: [...findings, ...compiled.findings],
    files,
  }
}

/** The part that does not depend on functions. */
export async function readResources(
  paths: readonly string[],
): Promise<{ resources: Resource[]; findings: Finding[]; files: string[] }> {
  const found = { resources: [] as Resource[], findings: [] as Finding[], files: [] as string[] }
  for (const one of paths) {
    for (const file of await filesOf(one, found.findings)) {
      if (found.files.includes(file)) continue
      found.files.push(file)
      const content = await contentOf(file, found.findings)
      if (content === undefined) continue
      const { resources, findings } = parseResources(file, content)
      found.resources.push(...resources)
      found.findings.push(...findings)
    }
  }
  return found
}

/** Throws `FN_RESOURCE_INVALID` with a line for each error; notes are no reason. */
export function refuseErrors(findings: readonly Finding[]): void {
  const errors = findings.filter(({ severity }) => severity === 'error').map(findingLine)
  if (errors.length === 0) return
  throw new MillraceError('FN_RESOURCE_INVALID', errors.join('\n'), { detail: { errors } })
}

async function filesOf(named: string, findings: Finding[]): Promise<string[]> {
  try {
    if (!(await stat(named)).isDirectory()) return [named]
    const entries = await readdir(named, { recursive: true, withFileTypes: true })
    const files = entries
      // In a mounted ConfigMap, every file is a link into a hidden folder.
      .filter((entry) => entry.isFile() || entry.isSymbolicLink())
      .filter((entry) => ENDINGS.includes(path.extname(entry.name)))
      .map((entry) => path.join(entry.parentPath, entry.name))
      .filter((file) => !NOT_MEANT.test(path.relative(named, file)))
      .toSorted()
    if (files.length === 0) {
      findings.push(unreadable(named, `holds no file that ends in ${ENDINGS.join(', ')}`))
    }
    return files
  } catch (error) {
    findings.push(unreadable(named, whyNot(error)))
    return []
  }
}

async function contentOf(file: string, findings: Finding[]): Promise<string | undefined> {
  try {
    const { size } = await stat(file)
    if (size <= MAX_FILE_BYTES) {
      return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file))
    }
    findings.push(unreadable(file, `is larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB`))
  } catch (error) {
    findings.push(
      unreadable(file, error instanceof TypeError ? 'is no text in UTF-8' : whyNot(error)),
    )
  }
  return undefined
}

function whyNot(error: unknown): string {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'there is no such file or folder'
  return `cannot be read: ${error instanceof Error ? error.message : String(error)}`
}

/** No line: it is about the file or the folder as a whole. */
function unreadable(file: string, message: string): Finding {
  return { severity: 'error', place: file, field: '', message }
}
