/**
 * What follows a failed attempt. The status rules are Knative's: what can heal is retried with backoff,
 * what cannot goes to the dead letter at once. The waits are those of the `compat` that the policy names.
 */
import { formatDuration } from '../contract/duration.ts'
import type { BackoffPolicy, Compat, DeliveryPolicy } from '../contract/manifest.ts'
import type { Fault } from '../contract/outcome.ts'
import { retryOf, type ErrorCode } from '../errors.ts'

/** `alone`: with nothing beside it, since it took others down. `because`: why not again, though it could be. */
export type Decision =
  | { kind: 'retry'; waitMs: number; alone: boolean }
  | { kind: 'deadletter'; because?: string }

export interface FailedAttempt {
  /** 1 for the first. */
  attempt: number
  /** Time since the event came into the log. */
  ageMs: number
}

/** From 0 up to 1, as `Math.random`. */
export type Random = () => number

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

/** A hundred years: a wait that grows without end stays a number that can be added to a date. */
export const MAX_WAIT_MS = 100 * 365 * 24 * 3_600_000

export function decide(
  fault: Fault,
  { attempt, ageMs }: FailedAttempt,
  policy: DeliveryPolicy,
  random: Random,
): Decision {
  const attempts = FATAL.has(fault.code)
    ? Math.min(policy.retry + 1, MAX_FATAL_ATTEMPTS)
    : policy.retry + 1
  if (!canHeal(fault, policy) || attempt >= attempts) return { kind: 'deadletter' }
  const waitMs = waitOf(fault, attempt, policy, random)
  if (policy.maxAgeMs !== undefined && ageMs + waitMs > policy.maxAgeMs) {
    return { kind: 'deadletter', because: tooOld(ageMs, policy.maxAgeMs) }
  }
  return { kind: 'retry', waitMs, alone: FATAL.has(fault.code) }
}

/** Whether another attempt may end better: as the table of errors says, and `retryOn` where it is set. */
export function canHeal(fault: Fault, { retryOn }: Pick<DeliveryPolicy, 'retryOn'>): boolean {
  if (retryOf(fault.code) === 'never') return false
  // The log failed, not the function, and `retryOn` chooses among the function's failures.
  if (retryOn === undefined || fault.code === 'FN_DELIVERY_PUBLISH_FAILED') return true
  return retryOn.includes(fault.code) || retryOn.includes(fault.class)
}

/** Wait before retry `n` (1, 2, 3, …), never more than `backoffMaxMs`; without jitter. */
export function backoffMs(n: number, policy: DeliveryPolicy): number {
  // Nothing times infinity is no number.
  if (policy.backoffDelayMs === 0) return 0
  const grown = policy.backoffDelayMs * FACTORS[policy.compat][policy.backoffPolicy](n)
  return Math.min(grown, policy.backoffMaxMs ?? MAX_WAIT_MS, MAX_WAIT_MS)
}

/**
 * How often the delay is waited before retry `n`. They differ because Knative's implementations count
 * from different numbers:
 * - the Kafka broker from 1, and doubles before the first wait (eventing-kafka-broker,
 *   `WebClientCloudEventSender`),
 * - core from 0 (eventing, `pkg/kncloudevents/retries.go`),
 * - the specification waits the delay, or "2^N multiples" of it (specs, `eventing/control-plane.md`).
 */
const FACTORS: Record<Compat, Record<BackoffPolicy, (n: number) => number>> = {
  'knative-kafka': { linear: (n) => n, exponential: (n) => 2 ** n },
  'knative-core': { linear: (n) => n - 1, exponential: (n) => 2 ** (n - 1) },
  spec: { linear: () => 1, exponential: (n) => 2 ** n },
}

/**
 * The wait that the function asked for, as it is; where `retryAfterMax` is set, as Knative bounds it:
 * no longer than that, and no shorter than the backoff.
 */
function waitOf(fault: Fault, n: number, policy: DeliveryPolicy, random: Random): number {
  const { retryAfterMs } = fault
  const { retryAfterMaxMs, jitter } = policy
  if (retryAfterMs !== undefined && retryAfterMaxMs === undefined) {
    return Math.min(retryAfterMs, MAX_WAIT_MS)
  }
  const wholeMs = backoffMs(n, policy)
  const waitMs = jitter === 0 ? wholeMs : wholeMs * (1 - jitter * random())
  return Math.max(Math.min(retryAfterMs ?? 0, retryAfterMaxMs ?? 0), waitMs)
}

function tooOld(ageMs: number, maxAgeMs: number): string {
  const limit = `older than maxAge (${formatDuration(maxAgeMs)})`
  const state = ageMs > maxAgeMs ? `is ${limit}` : `would be ${limit} at its next attempt`
  return `not tried again, since the event ${state}`
}
