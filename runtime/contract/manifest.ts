/**
 * What the builder writes and the runtime reads: every function with all defaults applied. The file is
 * `manifest.json` in the build's output folder, beside one bundle and one source map a function.
 */
import type { JsonSchema } from './json-schema.ts'
import type { Filter } from './metadata.ts'
import type { Destination, Subscriber } from './subscriber.ts'

export const MANIFEST_VERSION = 1

export type Ordering = 'key' | 'partition' | 'none'
export type BackoffPolicy = 'linear' | 'exponential'

/** A retry policy with defaults applied; times in milliseconds. */
export interface DeliveryPolicy {
  /** Retries after the first attempt. */
  retry: number
  backoffPolicy: BackoffPolicy
  backoffDelayMs: number
  /** No wait is longer; none: they grow without end. */
  backoffMaxMs?: number
  /** Share of a wait that is left to chance, 0 to 1: the wait lies between (1 - jitter) × wait and wait. */
  jitter: number
  /** Longest wait that a handler's `Retry({ after })`, or a subscriber's Retry-After, may ask for. 0: they are ignored. */
  retryAfterMaxMs?: number
  /** An event that is older, by its time in the log, is not tried again. */
  maxAgeMs?: number
  /** Only these failures are tried again: error codes or class names; none: all that can heal. */
  retryOn?: string[]
  /** Wall time of one attempt. */
  timeoutMs: number
  compat: Compat
  breaker?: { failures: number; pauseMs: number }
  onDeadLetter: 'continue' | 'park'
  exactlyOnce: boolean
}

/** Whose waits between retries: Knative's Kafka broker's, Knative core's, or those of its specification. */
export type Compat = 'knative-kafka' | 'knative-core' | 'spec'

/** Knative's `DeliverySpec` as Millrace defaults it. */
export const DEFAULT_DELIVERY: DeliveryPolicy = {
  retry: 5,
  backoffPolicy: 'exponential',
  backoffDelayMs: 1_000,
  jitter: 0,
  timeoutMs: 30_000,
  compat: 'knative-kafka',
  onDeadLetter: 'continue',
  exactlyOnce: false,
}

export interface TriggerManifest {
  namespace: string
  name: string
  /** `namespace/name` of the broker. */
  broker: string
  /** The broker's topic and the trigger's consumer group; `runtime/broker/names.ts` computes them. */
  topic: string
  group: string
  /**
   * What its own topics are called after (`{topicPrefix}.dlq`, `.retry`); none: its group. Triggers that
   * share a group, as those of one KafkaSource with several topics do, have one each.
   */
  topicPrefix?: string
  /** All of them must pass; empty passes everything. */
  filters: Filter[]
  ordering: Ordering
  concurrency: number
  startFrom: 'latest' | 'earliest'
  delivery: DeliveryPolicy
  /** Events with the source and id of a finished one end as `deduplicated`; none: off. */
  dedupe?: { windowMs: number; max: number }
  subscriber: Subscriber
  /** Where replies go; none: to the trigger's own topic. */
  reply?: Destination
  /** Where events go whose retries are used up; none, or where that fails too: the dead-letter topic. */
  deadLetterSink?: Destination
  /** Records that are no CloudEvent are wrapped, as the KafkaSource of this name does. */
  wrap?: { namespace: string; name: string }
  /** Of a flow: the step that this trigger is, and the trigger whose dead letters it writes. */
  step?: { name: string; of: string }
  /** Where it was declared, `file` or `file:line`, for messages. */
  declaredIn?: string
}

/** `namespace/name`, under which people, logs and metrics know a trigger. */
export function triggerName(trigger: Pick<TriggerManifest, 'namespace' | 'name'>): string {
  return `${trigger.namespace}/${trigger.name}`
}

/** What the topics of its dead letters and of its replayed events are called after. */
export function topicPrefixOf({
  topicPrefix,
  group,
}: Pick<TriggerManifest, 'topicPrefix' | 'group'>): string {
  return topicPrefix ?? group
}

export interface FunctionManifest {
  name: string
  /** Of its first trigger; empty where only YAML gives it triggers. */
  namespace: string
  /** Source file, relative to the project. */
  file: string
  /** Bundle and source map, relative to the manifest. */
  bundle: string
  map: string
  /** SHA-256 of the bundle, hex: the function's version. */
  version: string
  limits: { memoryMiB: number; cpuMs: number }
  /** Largest number of events that its `batch` export is called with. */
  batch: { max: number }
  triggers: TriggerManifest[]
  description?: string
}

export interface Manifest {
  version: typeof MANIFEST_VERSION
  functions: FunctionManifest[]
  /** By event type, each complete in itself; none: no type has one. */
  schemas?: Record<string, JsonSchema>
}
