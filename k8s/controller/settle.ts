/**
 * From the objects of a cluster to one topology in which nothing is wrong. In files an error stops
 * everything; in a cluster it is the matter of one resource: the last version of it that was good stays
 * in force, and where there is none it is left out.
 */
import type { FunctionManifest } from '../../runtime/contract/manifest.ts'
import { triggerName } from '../../runtime/contract/manifest.ts'
import type { Topology } from '../../runtime/contract/topology.ts'
import { isMillraceError } from '../../runtime/errors.ts'
import { topologyOf } from '../../runtime/topology.ts'
import { compileResources } from '../read/compile.ts'
import { isFinding, resourceOf } from '../read/resource-of.ts'
import type { Finding, Resource } from '../read/resource.ts'
import { metadataOf, type KubernetesObject } from './watch-kind.ts'

export interface SettleOptions {
  functions: readonly FunctionManifest[]
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

/**
 * What others stand on is judged first: a trigger is not to blame for a broker that is about to be
 * replaced by its last good version.
 */
const RANKS: Readonly<Record<string, number>> = {
  ConfigMap: 0,
  Service: 0,
  EventTransform: 0,
  KafkaSink: 0,
  Broker: 1,
  Channel: 1,
  InMemoryChannel: 1,
  KafkaChannel: 1,
}
const LAST_RANK = 2

/** Undefined where an error is nobody's: that is a fault of Millrace, and `problems` are all errors. */
export function settle(
  objects: readonly KubernetesObject[],
  { functions, lastGood }: SettleOptions,
): Settled | { unsettled: Finding[] } {
  const used = new Map(objects.map((object) => [objectName(object), object]))
  const problems = new Map<string, Finding[]>()
  for (;;) {
    const { topology, findings } = compile(used, functions)
    const errors = findings.filter(({ severity }) => severity === 'error')
    if (errors.length === 0) {
      return { topology, used, problems, notes: findings }
    }
    const blamed = lowest(
      Map.groupBy(errors, ({ place }) => place),
      used,
    )
    if (blamed.size === 0) return { unsettled: errors }
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
  functions: readonly FunctionManifest[],
): { topology: Topology; findings: Finding[] } {
  const read = [...used].map(([name, object]) => resourceOf(object, name))
  const unread = read.filter((one): one is Finding => isFinding(one))
  const resources = read.filter((one): one is Resource => !isFinding(one))
  const { topology, findings } = compileResources(resources, { functions, services: new Map() })
  const clashes = findings.some(({ severity }) => severity === 'error')
    ? []
    : clashesWith(functions, topology)
  return { topology, findings: [...unread, ...findings, ...clashes] }
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

/** The errors of those resources that stand on none of the others. */
function lowest(
  errors: ReadonlyMap<string, Finding[]>,
  used: ReadonlyMap<string, KubernetesObject>,
): Map<string, Finding[]> {
  const ranked = [...errors].flatMap(([name, own]) => {
    const object = used.get(name)
    return object ? [{ name, own, rank: RANKS[String(object['kind'])] ?? LAST_RANK }] : []
  })
  const rank = Math.min(...ranked.map((one) => one.rank))
  return new Map(ranked.filter((one) => one.rank === rank).map(({ name, own }) => [name, own]))
}
