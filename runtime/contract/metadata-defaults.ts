/** From checked metadata to the manifest: every default applied, every name computed. */
import { brokerTopic, parseObjectName, triggerGroup } from '../broker/names.ts'
import { parseDuration } from './duration.ts'
import { filtersOf } from './filter-check.ts'
import type { SchemaObject } from './json-schema.ts'
import {
  DEFAULT_DELIVERY,
  type DeliveryPolicy,
  type FunctionManifest,
  type TriggerManifest,
} from './manifest.ts'
import type { Delivery, FunctionMetadata, TriggerMetadata } from './metadata.ts'

/** The part of a function's manifest that its metadata decides. */
export type FunctionManifestPart = Pick<
  FunctionManifest,
  'namespace' | 'limits' | 'batch' | 'triggers' | 'description'
> & {
  /** By event type, as declared; the builder checks them with those of the folder. */
  schemas?: Readonly<Record<string, SchemaObject>>
  /** What is not wrong, but most likely not meant. */
  warnings: string[]
}

const BATCH_MAX = 64
const DEDUPE_MAX = 100_000

/** Takes metadata that `checkMetadata` found right; a function's namespace is its first trigger's. */
export function withDefaults(
  metadata: FunctionMetadata,
  functionName: string,
): FunctionManifestPart {
  const delivery = deliveryPolicy(metadata.delivery)
  const warnings: string[] = []
  const triggers = (metadata.triggers ?? []).map((trigger, index): TriggerManifest => {
    const { filters, warning } = filtersOf(trigger, `triggers[${index}]`)
    if (warning !== undefined) warnings.push(warning)
    return {
      ...triggerIdentity(trigger, functionName),
      filters,
      ordering: metadata.ordering ?? 'key',
      concurrency: metadata.concurrency ?? 64,
      startFrom: trigger.startFrom ?? 'latest',
      delivery: { ...delivery },
      ...dedupeOf(trigger),
      subscriber: { kind: 'function', name: functionName },
    }
  })
  return {
    namespace: triggers[0]?.namespace ?? '',
    limits: {
      memoryMiB: metadata.limits?.memoryMiB ?? 64,
      cpuMs: metadata.limits?.cpuMs ?? 100,
    },
    batch: { max: metadata.batch?.max ?? BATCH_MAX },
    triggers,
    ...(metadata.description === undefined ? {} : { description: metadata.description }),
    ...(metadata.schemas === undefined ? {} : { schemas: metadata.schemas }),
    warnings,
  }
}

/**
 * A trigger's names: its own defaults to the function's, its namespace is the broker's. Throws
 * `FN_NAME_INVALID`.
 */
export function triggerIdentity(
  { broker, name }: Pick<TriggerMetadata, 'broker' | 'name'>,
  functionName: string,
): Pick<TriggerManifest, 'namespace' | 'name' | 'broker' | 'topic' | 'group'> {
  const brokerName = parseObjectName(broker, 'broker')
  const trigger = parseObjectName(`${brokerName.namespace}/${name ?? functionName}`, 'trigger')
  return {
    ...trigger,
    broker,
    topic: brokerTopic(brokerName),
    group: triggerGroup(trigger),
  }
}

function deliveryPolicy(delivery: Delivery = {}): DeliveryPolicy {
  const { backoffDelay, backoffMax, retryAfterMax, maxAge, timeout, breaker, ...same } = delivery
  const policy: DeliveryPolicy = { ...DEFAULT_DELIVERY, ...same }
  if (backoffDelay !== undefined) policy.backoffDelayMs = parseDuration(backoffDelay)
  if (backoffMax !== undefined) policy.backoffMaxMs = parseDuration(backoffMax)
  if (retryAfterMax !== undefined) policy.retryAfterMaxMs = parseDuration(retryAfterMax)
  if (maxAge !== undefined) policy.maxAgeMs = parseDuration(maxAge)
  if (timeout !== undefined) policy.timeoutMs = parseDuration(timeout)
  if (breaker !== undefined) {
    policy.breaker = { failures: breaker.failures, pauseMs: parseDuration(breaker.pause) }
  }
  return policy
}

function dedupeOf({ dedupe }: TriggerMetadata): Pick<TriggerManifest, 'dedupe'> {
  if (dedupe === undefined) return {}
  return { dedupe: { windowMs: parseDuration(dedupe.window), max: dedupe.max ?? DEDUPE_MAX } }
}
