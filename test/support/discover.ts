import { globSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** What the runner does with a folder of tests: everything else about a test is in its file. */
export interface Phase {
  name: string
  globs: readonly string[]
  /** Test files that run at once. */
  concurrency: number
}

export interface Selection {
  phase: Phase
  /** Absolute paths, sorted. */
  files: string[]
}

export interface Wanted {
  selections: Selection[]
  /** Patterns on the names of tests: the arguments that are part of no path. */
  namePatterns: string[]
}

/** The test files of each phase; an argument picks those whose path holds it, or else is a test's name. */
export function selectTests(
  root: string,
  phases: readonly Phase[],
  args: readonly string[],
): Wanted {
  const all = phases.map((phase) => ({
    phase,
    paths: globSync([...phase.globs], { cwd: root }).toSorted(),
  }))
  const isPath = (arg: string): boolean =>
    all.some(({ paths }) => paths.some((path) => path.includes(arg)))
  const pathArgs = args.filter(isPath)
  const selections = all.map(({ phase, paths }) => ({
    phase,
    files: paths
      .filter((path) => pathArgs.length === 0 || pathArgs.some((arg) => path.includes(arg)))
      .map((path) => resolve(root, path)),
  }))
  return {
    selections: selections.filter(({ files }) => files.length > 0),
    namePatterns: args.filter((arg) => !isPath(arg)),
  }
}

const RELATIVE_IMPORT = /(?:from|import)\s*\(?\s*'(\.[^']+)'/g

/** Whether `file` imports `target` itself or through other files of the project. */
export function importsFile(file: string, target: string, seen = new Set<string>()): boolean {
  if (file === target) return true
  if (seen.has(file)) return false
  seen.add(file)
  return relativeImports(file).some((imported) => importsFile(imported, target, seen))
}

function relativeImports(file: string): string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    // A wrong import is the test's own failure to report.
    return []
  }
  return [...text.matchAll(RELATIVE_IMPORT)].map((match) => resolve(dirname(file), match[1] ?? ''))
}
