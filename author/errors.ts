/**
 * What a handler throws to say how its event goes on. Every other throw is retried with the trigger's
 * backoff, then dead-lettered.
 */
import { parseDuration } from '../runtime/contract/duration.ts'

/** Names do not survive every bundler, and each bundle has its own copy of these classes. */
const OUTCOME: unique symbol = Symbol.for('millrace.outcome') as never

export interface RetryOptions {
  /**
   * When to try again: milliseconds, or an ISO 8601 duration such as `PT30S`. Default: the trigger's
   * own backoff.
   */
  after?: number | string
  /** What the log and, in the end, the dead letter say. */
  reason?: string
}

/** Try again later; the attempt counts. */
export class Retry extends Error {
  override readonly name = 'Retry'
  readonly [OUTCOME] = 'retry'
  /** Milliseconds. */
  readonly afterMs: number | undefined

  constructor(options: RetryOptions = {}) {
    super(options.reason ?? 'the handler asked for a retry')
    this.afterMs = typeof options.after === 'string' ? parseDuration(options.after) : options.after
  }
}

/** Forget the event: it ends as `dropped`, without a dead letter. */
export class Drop extends Error {
  override readonly name = 'Drop'
  readonly [OUTCOME] = 'drop'

  constructor(reason = 'the handler dropped the event') {
    super(reason)
  }
}

/** Dead-letter the event at once, without further attempts. */
export class DeadLetter extends Error {
  override readonly name = 'DeadLetter'
  readonly [OUTCOME] = 'dead-letter'

  constructor(reason = 'the handler gave the event up') {
    super(reason)
  }
}
