/**
 * Stops calling a function that only fails (`delivery.breaker`), so that an outage does not use up the
 * attempts of every event. Nothing is handed out while it is open, and nothing is lost: events stay
 * unfinished, so their offsets stay uncommitted. After the pause a single event, the probe, finds out
 * whether the function is well again.
 *
 * All partitions of a trigger in this process share one.
 */
import type { Logger } from '../contract/log.ts'
import type { DeliveryPolicy } from '../contract/manifest.ts'
import type { TriggerMetrics } from '../contract/metrics.ts'
import type { WorkResult } from '../contract/work.ts'
import { canHeal } from './policy.ts'
import { after } from './timer.ts'

export interface BreakerOptions {
  policy: Pick<DeliveryPolicy, 'retryOn'>
  /** So many failed attempts in a row, without one that worked, open it. */
  failures: number
  /** How long nothing is handed out. */
  pauseMs: number
  /** Events may be handed out again. */
  goOn: () => void
  metrics: Pick<TriggerMetrics, 'breakerOpen'>
  log: Logger
  /** Fields of its log lines. */
  about: Record<string, unknown>
}

export class Breaker {
  readonly #options: BreakerOptions
  #state: 'closed' | 'open' | 'probing' = 'closed'
  /** In a row; counted while it is closed. */
  #failures = 0
  /** The one event that was handed out to find out. */
  #probe: number | undefined

  constructor(options: BreakerOptions) {
    this.#options = options
    options.metrics.breakerOpen(false)
  }

  /** How many events may be handed out now. */
  get allowance(): number {
    if (this.#state === 'closed') return Number.POSITIVE_INFINITY
    return this.#state === 'probing' && this.#probe === undefined ? 1 : 0
  }

  /** An event is handed out; within the allowance. */
  started(id: number): void {
    if (this.#state === 'probing') this.#probe = id
  }

  /** A result came back, whatever becomes of it. */
  back(result: WorkResult): void {
    const told = whatItTells(result, this.#options.policy)
    if (this.#state === 'closed') return this.#count(told)
    // What was handed out before it opened tells of the time before.
    if (result.id !== this.#probe) return
    this.#probe = undefined
    if (told === 'ill') this.#open('the function still fails; breaker open again')
    if (told === 'well') this.#close()
  }

  #count(told: Told): void {
    if (told === 'well') this.#failures = 0
    if (told !== 'ill') return
    this.#failures++
    if (this.#failures < this.#options.failures) return
    this.#open('the function only fails; breaker open, nothing is tried meanwhile')
  }

  #open(message: string): void {
    const { failures, pauseMs, log, about, metrics, goOn } = this.#options
    this.#state = 'open'
    metrics.breakerOpen(true)
    log.warn({ ...about, failures, pauseMs }, message)
    after(pauseMs, () => {
      this.#state = 'probing'
      goOn()
    })
  }

  #close(): void {
    const { log, about, metrics } = this.#options
    this.#state = 'closed'
    this.#failures = 0
    metrics.breakerOpen(false)
    log.info(about, 'the function works again; breaker closed')
  }
}

/** Of the function's health. */
type Told = 'well' | 'ill' | 'nothing'

/** An event that no retry can mend, or that did not run, tells nothing of the function. */
function whatItTells(result: WorkResult, policy: Pick<DeliveryPolicy, 'retryOn'>): Told {
  switch (result.status) {
    case 'done':
    case 'dropped':
      return 'well'
    case 'failed':
      return canHeal(result.fault, policy) ? 'ill' : 'nothing'
    case 'again':
      return 'nothing'
  }
}
