/** The triggers that an operator command may name: of the build in this folder, and of a running runtime. */
import { resolve } from 'node:path'
import { readManifest } from '../builder/manifest-file.ts'
import type { Config } from '../runtime/config/schema.ts'
import { topicPrefixOf, triggerName, type TriggerManifest } from '../runtime/contract/manifest.ts'
import { isMillraceError, MillraceError } from '../runtime/errors.ts'
import type { LogAccess } from './log-access.ts'
import { builtFunctions, topologyBeside } from './topology.ts'

export const NONE_KNOWN =
  'no trigger is known here. Those of functions are known by fn build, those of YAML while a runtime runs or by "resources" in millrace.config.json'

export interface KnownTrigger {
  /** `namespace/name`. */
  name: string
  group: string
  /** See `topicPrefixOf`. */
  topicPrefix: string
  topic: string
}

/** The triggers of the build, or undefined where there is none that can be read. */
async function builtTriggers(config: Config): Promise<TriggerManifest[] | undefined> {
  try {
    const { functions } = await readManifest(resolve(config.build))
    return functions.flatMap((one) => one.triggers)
  } catch (error) {
    if (isMillraceError(error, 'FN_MANIFEST_INVALID')) return undefined
    throw error
  }
}

/**
 * The triggers of the build and of resources in files, by default those of the configuration; undefined
 * where there is neither. Throws `FN_RESOURCE_INVALID`.
 */
export async function declaredTriggers(
  config: Config,
  paths: readonly string[] = config.resources,
): Promise<readonly TriggerManifest[] | undefined> {
  if (paths.length === 0) return builtTriggers(config)
  // Whoever runs it was told of notes; here they would be noise.
  const told = (): void => {}
  const { triggers } = await topologyBeside(config, paths, await builtFunctions(config), told)
  return triggers
}

/**
 * The triggers of the build, and of what a running runtime serves, which knows those of YAML too; while
 * none runs, those that are declared here. Undefined where there is nothing.
 */
export async function servedTriggers(
  { topology }: Pick<LogAccess, 'topology'>,
  config: Config,
): Promise<readonly TriggerManifest[] | undefined> {
  if (topology === undefined) return declaredTriggers(config)
  const built = await builtTriggers(config)
  const { triggers } = await topology()
  const served = new Set(triggers.map(triggerName))
  return [...triggers, ...(built ?? []).filter((trigger) => !served.has(triggerName(trigger)))]
}

/** By its name, or by the last part of it where only one has that. Throws `FN_CLI_NOT_FOUND`. */
export async function findTrigger(
  access: LogAccess,
  config: Config,
  name: string,
): Promise<KnownTrigger> {
  const known = await knownTriggers(access, config)
  const exact = known.get(name)
  if (exact !== undefined) return exact
  const ending = [...known.values()].filter((one) => one.name.endsWith(`/${name}`))
  const [only] = ending
  if (only !== undefined && ending.length === 1) return only
  const names = [...known.keys()].toSorted()
  throw new MillraceError(
    'FN_CLI_NOT_FOUND',
    names.length === 0
      ? `there is no trigger ${name}: ${NONE_KNOWN}`
      : `there is no trigger ${name}; there are ${names.join(', ')}`,
  )
}

async function knownTriggers(
  access: LogAccess,
  config: Config,
): Promise<Map<string, KnownTrigger>> {
  const known = new Map<string, KnownTrigger>()
  for (const trigger of (await servedTriggers(access, config)) ?? []) {
    const name = triggerName(trigger)
    const { group, topic } = trigger
    known.set(name, { name, group, topicPrefix: topicPrefixOf(trigger), topic })
  }
  return known
}
