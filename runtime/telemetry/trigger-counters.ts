import type { AttemptResult, ProcessedStatus, TriggerMetrics } from '../contract/metrics.ts'
import type { Outcome } from '../contract/outcome.ts'
import type { EventCounters } from './event-counters.ts'
import { TriggerLedger } from './trigger-ledger.ts'

/** What one trigger counts; the event counters are shared by all of them. */
export class TriggerCounters implements TriggerMetrics {
  readonly ledger = new TriggerLedger()
  readonly attempts: Record<AttemptResult, number> = { done: 0, dropped: 0, failed: 0 }
  retries = 0
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

  breakerOpen(open: boolean): void {
    this.isBreakerOpen = open
  }
}
