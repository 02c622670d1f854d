/**
 * What `fn check` finds: all that a build finds, wrong types, filters that no event can match, functions
 * that no trigger names, functions that answer themselves or each other for ever, and schemas that changed
 * under their readers.
 */
import path from 'node:path'
import { adviseFilters } from '../runtime/filter/advice.ts'
import { triggerName, type FunctionManifest } from '../runtime/contract/manifest.ts'
import { EMPTY_TOPOLOGY, type Topology } from '../runtime/contract/topology.ts'
import { isMillraceError } from '../runtime/errors.ts'
import { topologyOf } from '../runtime/topology.ts'
import { compileProject, type Compilation, type ProjectDirs } from './compile.ts'
import { discoverFunctions } from './discover.ts'
import { idleFunctions } from './idle-functions.ts'
import { findCircles, type FunctionReplies } from './reply-circles.ts'
import { replyLiterals } from './reply-literals.ts'
import { acceptSchemas as writeAccepted, baseline, changes } from './schemas/accepted.ts'
import { checkTypes } from './type-check.ts'

export interface Finding {
  /**
   * `build`: the function cannot be built. `types`: TypeScript's. `resources`: what YAML declares is
   * wrong. `advice`: most likely not meant.
   */
  kind: 'build' | 'types' | 'resources' | 'advice'
  /** Where one function is meant. */
  function?: string
  message: string
}

export interface CheckReport {
  findings: Finding[]
  /** What was not checked, and why. */
  notes: string[]
}

export interface CheckOptions extends ProjectDirs {
  /** Absolute, or relative to the project: the last build, whose schemas may be compared with. */
  buildDir?: string
  /** From now on the schemas are held against these. Default false. */
  acceptSchemas?: boolean
}

/**
 * Writes nothing but accepted schemas. `declare` says what stands beside the functions, such as triggers
 * in YAML. Throws `FN_BUILD_FAILED` for a missing or empty functions folder, `FN_SCHEMA_INVALID` for a
 * damaged file of accepted schemas.
 */
export async function checkProject(
  dirs: CheckOptions,
  declare: (functions: readonly FunctionManifest[]) => Topology = () => EMPTY_TOPOLOGY,
): Promise<CheckReport> {
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
  const declared = declare(compilation.functions)
  const schemas = await schemaFindings(compilation, dirs)
  return {
    findings: [
      ...buildFindings(compilation),
      ...types.errors.map((message): Finding => ({ kind: 'types', message })),
      ...filterFindings(compilation),
      ...declaredFindings(compilation.functions, declared),
      ...idleFunctions(compilation.functions, declared).map((idle): Finding => {
        return { kind: 'advice', ...idle }
      }),
      ...circleFindings(replies.map((one) => withDeclared(one, declared))),
      ...schemas,
    ],
    notes: [...(types.skipped === undefined ? [] : [types.skipped]), ...notes],
  }
}

/** What is wrong with triggers that were declared beside functions, alone and together with theirs. */
export function declaredFindings(
  functions: readonly FunctionManifest[],
  declared: Topology,
): Finding[] {
  return [
    ...clashFindings(functions, declared),
    ...declared.triggers.flatMap((trigger) =>
      adviseFilters(trigger.filters).map((advice): Finding => {
        const where = trigger.declaredIn === undefined ? '' : `${trigger.declaredIn}: `
        return { kind: 'advice', message: `${where}trigger ${triggerName(trigger)}: ${advice}` }
      }),
    ),
  ]
}

function clashFindings(functions: readonly FunctionManifest[], declared: Topology): Finding[] {
  // Those among functions alone are the build's to find.
  if (declared.triggers.length === 0) return []
  try {
    topologyOf(functions, declared)
    return []
  } catch (error) {
    if (!isMillraceError(error, 'FN_NAME_CLASH')) throw error
    return error.message.split('\n').map((message): Finding => ({ kind: 'resources', message }))
  }
}

/** With the triggers that others declare for it and whose replies go to the broker. */
function withDeclared(one: FunctionReplies, { triggers }: Topology): FunctionReplies {
  const { manifest } = one
  const more = triggers.filter(
    ({ subscriber, reply }) =>
      subscriber.kind === 'function' && subscriber.name === manifest.name && reply === undefined,
  )
  if (more.length === 0) return one
  const namespace = manifest.namespace === '' ? (more[0]?.namespace ?? '') : manifest.namespace
  return { ...one, manifest: { ...manifest, namespace, triggers: [...manifest.triggers, ...more] } }
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

async function schemaFindings(
  { catalog }: Compilation,
  { projectDir, schemasDir = 'schemas', buildDir = '.millrace/build', acceptSchemas }: CheckOptions,
): Promise<Finding[]> {
  const dir = path.resolve(projectDir, schemasDir)
  if (acceptSchemas === true) {
    // Half of them would make the others look new the next time.
    if (catalog.errors.length === 0) await writeAccepted(dir, catalog.schemas)
    return []
  }
  const before = await baseline({
    schemasDir: dir,
    buildDir: path.resolve(projectDir, buildDir),
  })
  return changes(catalog, before).map((message) => ({ kind: 'advice', message }))
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

export function repliesOf({ functions, bundles }: Pick<Compilation, 'functions' | 'bundles'>): {
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
