/** Triggers on functions as those functions' own metadata would say it, and what metadata cannot say. */
import { isDeepStrictEqual } from 'node:util'
import { brokerTopic, parseObjectName, triggerGroup } from '../../runtime/broker/names.ts'
import { formatDuration } from '../../runtime/contract/duration.ts'
import {
  DEFAULT_DELIVERY,
  type DeliveryPolicy,
  type TriggerManifest,
} from '../../runtime/contract/manifest.ts'
import type { Delivery, FunctionMetadata } from '../../runtime/contract/metadata.ts'

export interface FunctionTriggers {
  function: string
  triggers: TriggerManifest[]
  metadata: FunctionMetadata
}

/** A trigger that has to stay in YAML. */
export interface Leftover {
  trigger: TriggerManifest
  why: string
}

/** Only triggers whose subscriber is a function; the others are no function's to say. */
export function asMetadata(triggers: readonly TriggerManifest[]): {
  functions: FunctionTriggers[]
  leftovers: Leftover[]
} {
  const leftovers: Leftover[] = []
  const byFunction = new Map<string, TriggerManifest[]>()
  for (const trigger of triggers) {
    if (trigger.subscriber.kind !== 'function') continue
    const { name } = trigger.subscriber
    const [first] = byFunction.get(name) ?? []
    const why = obstacle(trigger) ?? (first && difference(first, trigger))
    if (why !== undefined) leftovers.push({ trigger, why })
    else byFunction.set(name, [...(byFunction.get(name) ?? []), trigger])
  }
  const functions = [...byFunction].flatMap(([name, own]) => {
    const [first] = own
    if (first === undefined) return []
    return [{ function: name, triggers: own, metadata: metadataOf(name, first, own) }]
  })
  return { functions, leftovers }
}

/** What metadata has no word for. */
function obstacle(trigger: TriggerManifest): string | undefined {
  const { deadLetterSink, reply, wrap, step } = trigger
  if (deadLetterSink !== undefined) return 'it has a deadLetterSink'
  if (wrap !== undefined) return 'it is of a KafkaSource'
  if (step !== undefined) return 'it is a step of a flow'
  if (reply !== undefined) return 'its replies go elsewhere than to its broker'
  const broker = parseObjectName(trigger.broker, 'broker')
  if (trigger.topic !== brokerTopic(broker)) return `its topic is ${trigger.topic}`
  if (trigger.group !== triggerGroup(trigger)) return `its consumer group is ${trigger.group}`
  if (trigger.namespace !== broker.namespace) return 'its broker is of another namespace'
  return undefined
}

/** A function says once what holds for all of its triggers. */
function difference(first: TriggerManifest, other: TriggerManifest): string | undefined {
  const keys = (['delivery', 'ordering', 'concurrency'] as const).filter(
    (key) => !isDeepStrictEqual(first[key], other[key]),
  )
  if (keys.length === 0) return undefined
  return `its ${keys.join(' and ')} is not that of ${first.name}, and a function says it once for all of its triggers`
}

function metadataOf(
  name: string,
  { delivery, ordering, concurrency }: TriggerManifest,
  triggers: readonly TriggerManifest[],
): FunctionMetadata {
  const own = deliveryOf(delivery)
  return {
    triggers: triggers.map((trigger) => ({
      ...(trigger.name === name && triggers.length === 1 ? {} : { name: trigger.name }),
      broker: trigger.broker,
      ...(trigger.filters.length === 0 ? {} : { filters: trigger.filters }),
      ...(trigger.startFrom === 'latest' ? {} : { startFrom: trigger.startFrom }),
    })),
    ...(ordering === 'key' ? {} : { ordering }),
    ...(concurrency === 64 ? {} : { concurrency }),
    ...(Object.keys(own).length === 0 ? {} : { delivery: own }),
  }
}

/** What differs from what a function has by default. */
function deliveryOf(policy: DeliveryPolicy): Delivery {
  const { retry, backoffPolicy, backoffDelayMs, retryAfterMaxMs, timeoutMs } = policy
  const standard = DEFAULT_DELIVERY
  return {
    ...(retry === standard.retry ? {} : { retry }),
    ...(backoffPolicy === standard.backoffPolicy ? {} : { backoffPolicy }),
    ...(backoffDelayMs === standard.backoffDelayMs
      ? {}
      : { backoffDelay: formatDuration(backoffDelayMs) }),
    ...(retryAfterMaxMs === undefined ? {} : { retryAfterMax: formatDuration(retryAfterMaxMs) }),
    ...(timeoutMs === standard.timeoutMs ? {} : { timeout: formatDuration(timeoutMs) }),
  }
}
