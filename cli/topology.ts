/** What the build in this folder and resources in files declare together. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { readManifest } from '../builder/manifest-file.ts'
import type { Config } from '../runtime/config/schema.ts'
import type { FunctionManifest } from '../runtime/contract/manifest.ts'
import type { Topology } from '../runtime/contract/topology.ts'
import { topologyOf } from '../runtime/topology.ts'
import { sayNotes } from './resources.ts'

/** With resources there need not be a build. Throws `FN_RESOURCE_INVALID`. */
export async function declaredTopology(
  config: Config,
  paths: readonly string[],
): Promise<Topology> {
  if (paths.length === 0) return topologyOf((await readManifest(resolve(config.build))).functions)
  return topologyBeside(config, paths, await builtFunctions(config))
}

/** What these functions and resources in files declare together. Throws `FN_RESOURCE_INVALID`. */
export async function topologyBeside(
  config: Config,
  paths: readonly string[],
  functions: readonly FunctionManifest[],
): Promise<Topology> {
  if (paths.length === 0) return topologyOf(functions)
  const { loadResources, refuseErrors } = await import('../k8s/read/load.ts')
  const { servicesOf } = await import('../runtime/config/services.ts')
  const { topology, findings } = await loadResources(paths, {
    functions,
    services: servicesOf(config),
  })
  sayNotes(findings)
  refuseErrors(findings)
  return topologyOf(functions, topology)
}

async function builtFunctions({ build }: Config): Promise<FunctionManifest[]> {
  if (!existsSync(build)) return []
  return (await readManifest(resolve(build))).functions
}
