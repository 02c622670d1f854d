/** Joins what functions declare in their metadata with what was declared beside them. */
import { isDeepStrictEqual } from 'node:util'
import { triggerName, type FunctionManifest, type TriggerManifest } from './contract/manifest.ts'
import { checkTriggerNames } from './contract/metadata-check.ts'
import { subscriberName } from './contract/subscriber.ts'
import { EMPTY_TOPOLOGY, type BrokerManifest, type Topology } from './contract/topology.ts'

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
  const triggers = [...own, ...declared.triggers.filter((trigger) => !isRepeated(trigger, own))]
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

/** Repeats what a function says of itself: where it reads, what it takes, who handles it. */
function isRepeated(trigger: TriggerManifest, own: readonly TriggerManifest[]): boolean {
  const same = own.find((one) => triggerName(one) === triggerName(trigger))
  return (
    same !== undefined &&
    same.topic === trigger.topic &&
    subscriberName(same.subscriber) === subscriberName(trigger.subscriber) &&
    isDeepStrictEqual(same.filters, trigger.filters)
  )
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
