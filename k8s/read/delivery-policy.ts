/** What Knative's `DeliverySpec` means, with what its Kafka broker does where a field is left out. */
import { parseDuration } from '../../runtime/contract/duration.ts'
import type { DeliveryPolicy } from '../../runtime/contract/manifest.ts'
import type { Subscriber } from '../../runtime/contract/subscriber.ts'
import type { DeliverySpec } from './bodies.ts'

/** For brokers without `delivery` (knative/eventing, `config-br-defaults`, clusterDefault). */
export const CLUSTER_DEFAULT: DeliverySpec = {
  retry: 10,
  backoffPolicy: 'exponential',
  backoffDelay: 'PT0.2S',
}
/** For a KafkaSource without `delivery` (eventing-kafka-broker, `reconciler/source/source.go`). */
export const SOURCE_DEFAULT: DeliverySpec = {
  retry: 10,
  backoffPolicy: 'exponential',
  backoffDelay: 'PT0.3S',
  timeout: 'PT600S',
}

/** eventing-kafka-broker: `reconciler/consumer/consumer.go`, `WebClientCloudEventSender`. */
const KAFKA_BACKOFF_DELAY_MS = 200
const KAFKA_TIMEOUT_MS = 600_000
/**
 * Knative's Kafka broker ignores Retry-After, and a subscriber that sends it means it. This bound keeps
 * one that sends nonsense from holding its events for days.
 */
const RETRY_AFTER_MAX_MS = 600_000

/** Of steps and subscriptions, which have no default: their `delivery` is absent, so nothing is retried. */
export const NO_RETRY: DeliverySpec = {}

export function policyOf(spec: DeliverySpec, subscriber: Subscriber): DeliveryPolicy {
  const retryAfterMaxMs =
    spec.retryAfterMax !== undefined
      ? parseDuration(spec.retryAfterMax)
      : subscriber.kind === 'http'
        ? RETRY_AFTER_MAX_MS
        : undefined
  return {
    retry: spec.retry ?? 0,
    backoffPolicy: spec.backoffPolicy ?? 'exponential',
    backoffDelayMs:
      spec.backoffDelay === undefined ? KAFKA_BACKOFF_DELAY_MS : parseDuration(spec.backoffDelay),
    jitter: 0,
    ...(retryAfterMaxMs === undefined ? {} : { retryAfterMaxMs }),
    timeoutMs: spec.timeout === undefined ? KAFKA_TIMEOUT_MS : parseDuration(spec.timeout),
    compat: 'knative-kafka',
    onDeadLetter: 'continue',
    exactlyOnce: false,
  }
}
