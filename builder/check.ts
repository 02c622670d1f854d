/**
 * What `fn check` finds: all that a build finds, wrong types, filters that no event can match, and
 * functions that answer themselves or each other for ever.
 */
import path from 'node:path'
import { adviseFilters } from '../runtime/filter/advice.ts'
import { triggerName } from '../runtime/contract/manifest.ts'
import { compileProject, type Compilation, type ProjectDirs } from './compile.ts'
import { discoverFunctions } from './discover.ts'
import { findCircles, type FunctionReplies } from './reply-circles.ts'
import { replyLiterals } from './reply-literals.ts'
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
  const { replies, notes } = repliesOf(compilation)
  return {
    findings: [
      ...buildFindings(compilation),
      ...types.errors.map((message): Finding => ({ kind: 'types', message })),
      ...filterFindings(compilation),
      ...circleFindings(replies),
    ],
    notes: [...(types.skipped === undefined ? [] : [types.skipped]), ...notes],
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

function repliesOf({ functions, bundles }: Compilation): {
  replies: FunctionReplies[]
  notes: string[]
} {
  const replies: FunctionReplies[] = []
  const notes: string[] = []
  for (const manifest of functions) {
    const bundle = bundles.get(manifest.name)
    if (bundle === undefined) continue
    try {
      replies.push({ manifest, replies: replyLiterals(bundle) })
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      notes.push(`${manifest.file}: its replies are not looked at: ${error.message}`)
    }
  }
  return { replies, notes }
}

function circleFindings(replies: readonly FunctionReplies[]): Finding[] {
  return findCircles(replies).map((circle): Finding => ({ kind: 'advice', ...circle }))
}
