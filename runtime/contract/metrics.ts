/**
 * What the stages tell the metrics. Handles are resolved once; their methods are safe on the hot path
 * (plain numbers, no allocation for labels already seen).
 */
import type { Outcome } from './outcome.ts'
import type { WorkResult } from './work.ts'

/** The guide's `status` label: `success` = acked, `error` = dead-lettered. */
export const PROCESSED_STATUSES = ['success', 'error', 'dropped'] as const
export type ProcessedStatus = (typeof PROCESSED_STATUSES)[number]

/** How an attempt ended; `again` is no attempt. */
export const ATTEMPT_RESULTS = ['done', 'dropped', 'failed'] as const satisfies ReadonlyArray<
  WorkResult['status']
>
export type AttemptResult = (typeof ATTEMPT_RESULTS)[number]

/** The counters of one trigger. */
export interface TriggerMetrics {
  /** `n` records (default 1) were read for this trigger: each of them owes exactly one outcome. */
  consumed(n?: number): void
  outcome(outcome: Outcome, n?: number): void
  /** Records without an outcome yet: consumed less the sum of the outcomes, by construction. */
  readonly inFlight: number
  /**
   * `n` records end here without an outcome, because their partition was lost or the process stops:
   * whoever owns them next consumes them again. Counted as the outcome `returned`, so that counters
   * only grow and the sum still holds.
   */
  returned(n?: number): void
  /** Once per event that the trigger matches, when its first attempt begins. */
  received(type: string, source: string): void
  /** Once per outcome. `seconds`: all attempts, waits excluded. */
  processed(type: string, status: ProcessedStatus, seconds: number): void
  attempt(result: AttemptResult): void
  retry(): void
  /** One more partition of the trigger, or one less, reads nothing because its window is full. */
  windowFull(isFull: boolean): void
  /** Whether the trigger's breaker is open; never called for a trigger without one. */
  breakerOpen(open: boolean): void
}

export interface LagSample {
  /** `namespace/name`. */
  trigger: string
  topic: string
  partition: number
  /** Records from the committed offset to the end of the log. */
  lag: number
}

export interface IngressMetrics {
  /** One answered request, by HTTP status. */
  request(code: number): void
  /** One append to the log took so long. */
  append(seconds: number): void
  /** Where the scrape reads how many bytes the ingress holds. */
  bufferedBytes(read: () => number): void
}
