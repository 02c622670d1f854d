/** What a handler is given beside its event. */
export interface Context {
  /** 1 for the first delivery. */
  readonly attempt: number
  /** Names this event for this trigger; the same again at every redelivery. */
  readonly idempotencyKey: string
  /** `namespace/name` of the trigger that brought the event. */
  readonly trigger: string
  readonly log: Log
  /** Fires when the trigger's `delivery.timeout` is over; the attempt fails a moment later. */
  readonly signal: AbortSignal
}

/**
 * Lines go to the runtime's log with the function, the trigger and the event's id. Text is written as it
 * is, errors with their stack, other values as JSON. At most 4 KiB a line and 64 KiB an event.
 */
export interface Log {
  debug(...values: unknown[]): void
  info(...values: unknown[]): void
  warn(...values: unknown[]): void
  error(...values: unknown[]): void
}
