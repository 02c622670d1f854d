/**
 * From the objects of a cluster to one topology in which nothing is wrong. In files an error stops
 * everything; in a cluster it is the matter of one resource: the last version of it that was good stays
 * in force, and where there is none it is left out.
 */
import type { FunctionManifest } from '../../runtime/contract/manifest.ts'
import { triggerName } from '../../runtime/contract/manifest.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import type { Topology } from '../../runtime/contract/topology.ts'
import { isMillraceError } from '../../runtime/errors.ts'
import { topologyOf } from '../../runtime/topology.ts'
import { compileResources } from '../read/compile.ts'
import { isFinding, resourceOf } from '../read/resource-of.ts'
import type { Finding, Resource } from '../read/resource.ts'
import { metadataOf, type KubernetesObject } from './watch-kind.ts'

export interface SettleOptions {
  functions: readonly FunctionManifest[]
  /** Addresses by `namespace/name`, for services that are not where the cluster's names point. */
  services: ReadonlyMap<string, string>
  /** Of each resource, by `objectName`: the version that was last in force. */
  lastGood: ReadonlyMap<string, KubernetesObject>
}

export interface Settled {
  topology: Topology
  /** What it was compiled from, by `objectName`. */
  used: Map<string, KubernetesObject>
  /** What is wrong with the newest version of a resource, by `objectName`. */
  problems: Map<string, Finding[]>
  notes: Finding[]
}

/** `unsettled` where an error is of no resource, which would be a fault of Millrace. */
export function settle(
  objects: readonly KubernetesObject[],
  { functions, services, lastGood }: SettleOptions,
): Settled | { unsettled: Finding[] } {
  const used = new Map(objects.map((object) => [objectName(object), object]))
  const problems = new Map<string, Finding[]>()
  for (;;) {
    const { topology, findings } = compile(used, { functions, services })
    const errors = findings.filter(({ severity }) => severity === 'error')
    if (errors.length === 0) {
      return { topology, used, problems, notes: findings }
    }
    const blamed = [...Map.groupBy(errors, ({ place }) => place)].filter(([name]) => used.has(name))
    if (blamed.length === 0) return { unsettled: errors }
    for (const [name, own] of blamed) {
      const isNewest = !problems.has(name)
      if (isNewest) problems.set(name, own)
      const good = isNewest ? lastGood.get(name) : undefined
      if (good === undefined) used.delete(name)
      else used.set(name, good)
    }
  }
}

/** How people and findings know it; different for every object. */
export function objectName(object: KubernetesObject): string {
  const { namespace, name } = metadataOf(object)
  const isServing = String(object['apiVersion']).startsWith('serving.knative.dev/')
  const kind = isServing ? `Knative ${String(object['kind'])}` : String(object['kind'])
  return `${kind} ${String(namespace)}/${String(name)}`
}

function compile(
  used: ReadonlyMap<string, KubernetesObject>,
  { functions, services }: Omit<SettleOptions, 'lastGood'>,
): { topology: Topology; findings: Finding[] } {
  const read = [...used].map(([name, object]) => resourceOf(object, name))
  const unread = read.filter((one): one is Finding => isFinding(one))
  const resources = read.filter((one): one is Resource => !isFinding(one))
  const { topology, findings } = compileResources(resources, { functions, services })
  const clashes = findings.some(({ severity }) => severity === 'error')
    ? []
    : clashesWith(functions, topology)
  const orphans = withoutBroker(used, functions)
  return { topology, findings: [...unread, ...orphans, ...findings, ...clashes] }
}

/** Triggers that say something else than the metadata of a function says under the same name. */
function clashesWith(functions: readonly FunctionManifest[], topology: Topology): Finding[] {
  const problemOf = (declared: Topology): string | undefined => {
    try {
      topologyOf(functions, declared)
      return undefined
    } catch (error) {
      if (!isMillraceError(error)) throw error
      return error.message
    }
  }
  const all = problemOf(topology)
  if (all === undefined) return []
  const clashing = topology.triggers.flatMap((trigger): Finding[] => {
    const message = problemOf({ ...topology, triggers: [trigger] })
    if (message === undefined) return []
    return [{ severity: 'error', place: `Trigger ${triggerName(trigger)}`, field: '', message }]
  })
  return clashing.length > 0
    ? clashing
    : [{ severity: 'error', place: 'the cluster', field: '', message: all }]
}

/**
 * Files may leave out a broker that stands elsewhere; in a cluster there is no elsewhere, but for the
 * brokers of the functions.
 */
function withoutBroker(
  used: ReadonlyMap<string, KubernetesObject>,
  functions: readonly FunctionManifest[],
): Finding[] {
  const ofFunctions = new Set(
    functions.flatMap(({ triggers }) => triggers.map((one) => one.broker)),
  )
  return [...used].flatMap(([name, object]): Finding[] => {
    const spec = object['kind'] === 'Trigger' && isRecord(object['spec']) ? object['spec'] : {}
    if (typeof spec['broker'] !== 'string') return []
    const broker = `${String(metadataOf(object)['namespace'])}/${spec['broker']}`
    if (used.has(`Broker ${broker}`) || ofFunctions.has(broker)) return []
    const message = `there is no Broker ${broker} in the cluster, or it is left out`
    return [{ severity: 'error', place: name, field: 'spec.broker', message }]
  })
}
