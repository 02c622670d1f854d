/** What `fn check` finds: all that a build finds, wrong types, and filters that no event can match. */
import path from 'node:path'
import { adviseFilters } from '../runtime/filter/advice.ts'
import { triggerName } from '../runtime/contract/manifest.ts'
import { compileProject, type Compilation, type ProjectDirs } from './compile.ts'
import { discoverFunctions } from './discover.ts'
import { checkTypes } from './type-check.ts'

export interface Finding {
  /** `build`: the function cannot be built. `types`: TypeScript's. `advice`: most likely not meant. */
  kind: 'build' | 'types' | 'advice'
  /** Where one function is meant. */
  function?: string
  message: string
}

export interface CheckReport {
  findings: Finding[]
  /** What was not checked, and why. */
  notes: string[]
}

/** Writes nothing. Throws `FN_BUILD_FAILED` for a missing or empty functions folder. */
export async function checkProject(dirs: ProjectDirs): Promise<CheckReport> {
  const projectDir = path.resolve(dirs.projectDir)
  const { sources } = await discoverFunctions(path.resolve(projectDir, dirs.functionsDir))
  const [compilation, types] = await Promise.all([
    compileProject(dirs),
    checkTypes(
      projectDir,
      sources.map((source) => source.path),
    ),
  ])
  return {
    findings: [
      ...buildFindings(compilation),
      ...types.errors.map((message): Finding => ({ kind: 'types', message })),
      ...filterFindings(compilation),
    ],
    notes: types.skipped === undefined ? [] : [types.skipped],
  }
}

function buildFindings({ failures, warnings }: Compilation): Finding[] {
  return [
    ...failures.map(({ function: name, error }): Finding => {
      return {
        kind: 'build',
        ...(name !== undefined && { function: name }),
        message: error.message,
      }
    }),
    ...warnings.map((warning): Finding => ({ kind: 'advice', ...warning })),
  ]
}

function filterFindings({ functions }: Compilation): Finding[] {
  return functions.flatMap(({ name, file, triggers }) =>
    triggers.flatMap((trigger) =>
      adviseFilters(trigger.filters).map((advice): Finding => {
        const message = `${file}: trigger ${triggerName(trigger)}: ${advice}`
        return { kind: 'advice', function: name, message }
      }),
    ),
  )
}
