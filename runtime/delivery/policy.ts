/**
 * What follows a failed attempt. The status rules are Knative's: what can heal is retried with backoff,
 * what cannot goes to the dead letter at once.
 */
import type { DeliveryPolicy } from '../contract/manifest.ts'
import type { Fault } from '../contract/outcome.ts'
import { retryOf, type ErrorCode } from '../errors.ts'

/** `alone`: with nothing beside it, since it took others down. */
export type Decision = { kind: 'retry'; waitMs: number; alone: boolean } | { kind: 'deadletter' }

/**
 * Failures that cost an isolate or a whole process. Twice is enough: a poison event must not take its
 * neighbours down as often as a patient retry policy would allow.
 */
const FATAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'FN_HANDLER_CPU',
  'FN_HANDLER_MEMORY',
  'FN_HANDLER_DEADLOCK',
  'FN_HANDLER_CRASHED',
])
const MAX_FATAL_ATTEMPTS = 2

export function decide(fault: Fault, attempt: number, policy: DeliveryPolicy): Decision {
  const attempts = FATAL.has(fault.code)
    ? Math.min(policy.retry + 1, MAX_FATAL_ATTEMPTS)
    : policy.retry + 1
  if (retryOf(fault.code) === 'never' || attempt >= attempts) return { kind: 'deadletter' }
  return {
    kind: 'retry',
    waitMs: fault.retryAfterMs ?? backoffMs(attempt, policy),
    alone: FATAL.has(fault.code),
  }
}

/**
 * Wait before retry `n` (1, 2, 3, …), as Knative's Kafka broker waits: linear d, 2d, 3d; exponential
 * 2d, 4d, 8d (eventing-kafka-broker, `WebClientCloudEventSender`).
 */
export function backoffMs(n: number, policy: DeliveryPolicy): number {
  const factor = policy.backoffPolicy === 'linear' ? n : 2 ** n
  return policy.backoffDelayMs * factor
}
