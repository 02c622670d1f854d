import type { CloudEvent } from './cloud-event.ts'
import type { Context, Log } from './context.ts'
import type { HandlerResult } from './handler.ts'

/** What a `batch` is given beside its events. */
export interface BatchContext {
  /** `namespace/name` of the trigger that brought the events. */
  readonly trigger: string
  /** Lines of the whole batch; of one event: `context.of(event).log`. */
  readonly log: Log
  /**
   * Fires when the shortest `delivery.timeout` of the events is over; a moment later the call is given
   * up.
   */
  readonly signal: AbortSignal
  /** What concerns one event of the batch alone. Takes the very object that `batch` was called with. */
  of(event: CloudEvent): Pick<Context, 'attempt' | 'idempotencyKey' | 'log'>
}

/** One event that failed, in the shape that AWS Lambda has for it. */
export interface BatchItemFailure {
  /** `id` of the event. All events of the batch that have it fail. */
  itemIdentifier: string
  reason?: string | undefined
}

/** What a `handler` would return for the event, or an error: what it would throw. */
export type BatchEntry = HandlerResult | Error

/**
 * An entry for each event, in their order; or the events that failed, while the others are done; or
 * nothing: all are done, without replies. Anything else fails the whole batch.
 */
export type BatchResult =
  | ReadonlyArray<BatchEntry | Promise<BatchEntry>>
  | { batchItemFailures: readonly BatchItemFailure[] }
  | null
  | undefined
  | void

/**
 * What a function file may export as `batch`, in place of `handler`. A call gets the events that are
 * there, at most `batch.max`, those of one key in order. When it throws with several events, each of
 * them runs again in a call of its own.
 */
export type BatchHandler<T = unknown> = (
  events: ReadonlyArray<CloudEvent<T>>,
  context: BatchContext,
) => BatchResult | Promise<BatchResult>
