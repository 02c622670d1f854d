import type { AttemptResult, ProcessedStatus, TriggerMetrics } from '../contract/metrics.ts'
import type { Outcome } from '../contract/outcome.ts'
import type { EventCounters } from './event-counters.ts'
import { TriggerLedger } from './trigger-ledger.ts'

/** Time with a full window, summed over partitions; what lasts still is counted up to now. */
class FullWindows {
  #full = 0
  #spentMs = 0
  #since = performance.now()

  change(isFull: boolean): void {
    this.#settle()
    this.#full += isFull ? 1 : -1
  }

  get seconds(): number {
    this.#settle()
    return this.#spentMs / 1000
  }

  #settle(): void {
    const now = performance.now()
    this.#spentMs += this.#full * (now - this.#since)
    this.#since = now
  }
}

/** What one trigger counts; the event counters are shared by all of them. */
export class TriggerCounters implements TriggerMetrics {
  readonly ledger = new TriggerLedger()
  readonly attempts: Record<AttemptResult, number> = { done: 0, dropped: 0, failed: 0 }
  retries = 0
  readonly #windows = new FullWindows()
  /** Undefined for a trigger without a breaker. */
  isBreakerOpen: boolean | undefined
  readonly #events: EventCounters

  constructor(events: EventCounters) {
    this.#events = events
  }

  consumed(n = 1): void {
    this.ledger.consumed(n)
  }

  outcome(outcome: Outcome, n = 1): void {
    this.ledger.outcome(outcome, n)
  }

  returned(n = 1): void {
    this.ledger.outcome('returned', n)
  }

  get inFlight(): number {
    return this.ledger.inFlight
  }

  received(type: string, source: string): void {
    this.#events.received(type, source)
  }

  processed(type: string, status: ProcessedStatus, seconds: number): void {
    this.#events.processed(type, status, seconds)
  }

  attempt(result: AttemptResult): void {
    this.attempts[result]++
  }

  retry(): void {
    this.retries++
  }

  windowFull(isFull: boolean): void {
    this.#windows.change(isFull)
  }

  get windowFullSeconds(): number {
    return this.#windows.seconds
  }

  breakerOpen(open: boolean): void {
    this.isBreakerOpen = open
  }
}
