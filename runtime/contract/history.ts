/**
 * What a running process remembers of its last deliveries, for `fn why`. It is memory, not a record:
 * what has been pushed out by newer ones, or ended in another process, is not kept.
 */
import type { ErrorCode } from '../errors.ts'
import type { AttemptResult } from './metrics.ts'
import type { Outcome } from './outcome.ts'

/** One delivery of one event to one trigger. */
export interface DeliveryTrace {
  /** `namespace/name`. */
  trigger: string
  topic: string
  partition: number
  offset: number
  /** Those that are still known, oldest first. */
  attempts: AttemptTrace[]
  /** Undefined while the event is under way. */
  outcome: Outcome | undefined
  /** Milliseconds since the epoch; undefined while it is under way. */
  endedAt: number | undefined
}

export interface AttemptTrace {
  /** Of a flow: the step that it was made at; none: the trigger's own subscriber. */
  step?: string
  /** 1 for the first. */
  attempt: number
  /** When its result came, in ms since the epoch. */
  at: number
  durationMs: number
  result: AttemptResult
  /** Why the event was dropped. */
  reason?: string
  error?: { code: ErrorCode; class: string; message: string }
  /** Wait until the next attempt, where one follows. */
  retryInMs?: number
}
