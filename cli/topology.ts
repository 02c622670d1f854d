/** What the build in this folder and resources in files declare together. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { MANIFEST_FILE, readManifest } from '../builder/manifest-file.ts'
import { adminClient } from '../runtime/admin/client.ts'
import type { Finding } from '../k8s/read/resource.ts'
import type { Config } from '../runtime/config/schema.ts'
import type { FunctionManifest } from '../runtime/contract/manifest.ts'
import type { Topology } from '../runtime/contract/topology.ts'
import { isMillraceError } from '../runtime/errors.ts'
import { readRuntimeFile } from '../runtime/runtime-file.ts'
import { topologyOf } from '../runtime/topology.ts'
import { sayNotes } from './resources.ts'

/**
 * Of resources that are given, and a build if there is one; without any, what a runtime in this folder
 * serves, or else the build. Throws `FN_RESOURCE_INVALID`, and `FN_MANIFEST_INVALID` where there is nothing.
 */
export async function declaredTopology(
  config: Config,
  paths: readonly string[],
): Promise<Topology> {
  if (paths.length === 0) {
    const running = await runningTopology()
    return running ?? topologyOf((await readManifest(resolve(config.build))).functions)
  }
  return topologyBeside(config, paths, await builtFunctions(config))
}

/**
 * What these functions and resources in files declare together; `told` takes what is done in another way,
 * by default for the user. Throws `FN_RESOURCE_INVALID`.
 */
export async function topologyBeside(
  config: Config,
  paths: readonly string[],
  functions: readonly FunctionManifest[],
  told: (findings: readonly Finding[]) => void = sayNotes,
): Promise<Topology> {
  if (paths.length === 0) return topologyOf(functions)
  const { loadResources, refuseErrors } = await import('../k8s/read/load.ts')
  const { servicesOf } = await import('../runtime/config/services.ts')
  const { topology, findings } = await loadResources(paths, {
    functions,
    services: servicesOf(config),
  })
  told(findings)
  refuseErrors(findings)
  return topologyOf(functions, topology)
}

/** Undefined where no runtime runs in this folder, or it does not answer. */
async function runningTopology(): Promise<Topology | undefined> {
  const running = await readRuntimeFile(process.cwd())
  if (running === undefined) return undefined
  try {
    return await adminClient(running.admin).topology()
  } catch (error) {
    if (isMillraceError(error, 'FN_CLI_NOT_REACHABLE')) return undefined
    throw error
  }
}

/** None where nothing was built. */
export async function builtFunctions({ build }: Config): Promise<FunctionManifest[]> {
  if (!existsSync(join(build, MANIFEST_FILE))) return []
  return (await readManifest(resolve(build))).functions
}
