/** Joins what functions declare in their metadata with what was declared beside them. */
import { isDeepStrictEqual } from 'node:util'
import { triggerName, type FunctionManifest, type TriggerManifest } from './contract/manifest.ts'
import { checkTriggerNames } from './contract/name-clashes.ts'
import { subscriberName } from './contract/subscriber.ts'
import { EMPTY_TOPOLOGY, type BrokerManifest, type Topology } from './contract/topology.ts'
import { MillraceError } from './errors.ts'

/**
 * A trigger that both declare is one if they say the same, and else a clash. Throws `FN_NAME_CLASH`,
 * all clashes in one message.
 */
export function topologyOf(
  functions: readonly FunctionManifest[],
  declared: Topology = EMPTY_TOPOLOGY,
): Topology {
  const own = functions.flatMap((one) =>
    one.triggers.map((trigger): TriggerManifest => ({ declaredIn: one.file, ...trigger })),
  )
  const names = new Map(own.map((trigger) => [triggerName(trigger), trigger]))
  const others = declared.triggers.filter((trigger) => !names.has(triggerName(trigger)))
  const clashes = declared.triggers.flatMap((trigger) => clashOf(trigger, names))
  if (clashes.length > 0) throw new MillraceError('FN_NAME_CLASH', clashes.join('\n'))
  const triggers = [...own, ...others]
  checkTriggerNames(triggers)
  return { ...declared, brokers: brokersOf(own, declared.brokers), triggers }
}

/**
 * A function without triggers of its own belongs to the namespace of the first one that names it, or of
 * the deployment.
 */
export function namespaceOf(
  manifest: Pick<FunctionManifest, 'name' | 'namespace'>,
  { triggers, flows }: Topology,
  deployment: string,
): string {
  if (manifest.namespace !== '') return manifest.namespace
  const named = [...triggers, ...flows.flatMap((flow) => flow.steps)].find(
    ({ subscriber }) => subscriber.kind === 'function' && subscriber.name === manifest.name,
  )
  return named?.namespace ?? deployment
}

/**
 * Where a trigger that a function declares too says something else: where it reads, what it takes, who
 * handles it, and where its output goes. The pace (`delivery`, `ordering`) is the function's.
 */
function clashOf(trigger: TriggerManifest, own: ReadonlyMap<string, TriggerManifest>): string[] {
  const name = triggerName(trigger)
  const same = own.get(name)
  if (same === undefined) return []
  const differ = [
    ...(same.topic === trigger.topic ? [] : ['broker']),
    ...(subscriberName(same.subscriber) === subscriberName(trigger.subscriber)
      ? []
      : ['subscriber']),
    ...(['filters', 'reply', 'deadLetterSink'] as const).filter(
      (key) => !isDeepStrictEqual(same[key], trigger[key]),
    ),
  ]
  if (differ.length === 0) return []
  return [
    `${trigger.declaredIn}: trigger ${name} stands in ${same.declaredIn} too, and the two differ in ${differ.join(' and ')}; take it out of one of them, or rename one`,
  ]
}

function brokersOf(
  triggers: readonly TriggerManifest[],
  declared: readonly BrokerManifest[],
): BrokerManifest[] {
  const brokers = new Map(declared.map((broker) => [broker.name, broker]))
  for (const { broker, topic } of triggers) {
    if (!brokers.has(broker)) brokers.set(broker, { name: broker, topic })
  }
  return [...brokers.values()]
}
