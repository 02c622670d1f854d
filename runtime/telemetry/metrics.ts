/**
 * This folder is the only owner of prom-client. Counting is done in plain numbers; prom-client sees them at a scrape.
 */
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Logger } from '../contract/log.ts'
import {
  ATTEMPT_RESULTS,
  PROCESSED_STATUSES,
  type IngressMetrics,
  type LagSample,
  type TriggerMetrics,
} from '../contract/metrics.ts'
import { DurationHistogram } from './duration-histogram.ts'
import { EventCounters } from './event-counters.ts'
import { histogramSamples, snapshotMetric, type Sample } from './exposition.ts'
import type { MetricName } from './metric-names.ts'
import { TriggerCounters } from './trigger-counters.ts'
import { LEDGER_ENTRIES, type LedgerSnapshot } from './trigger-ledger.ts'

export interface Metrics {
  /** The handle of one trigger (`namespace/name`); the same one each time. */
  forTrigger(trigger: string): TriggerMetrics
  readonly ingress: IngressMetrics
  /** An isolate or worker was ended by force. `reason` comes from a fixed set, never from an event. */
  isolateKilled(fn: string, reason: string): void
  /** What is read at each scrape. A second call replaces the first. */
  atScrape(gauges: ScrapedGauges): void
  /** The exposition in Prometheus' text format. */
  render(): Promise<string>
  readonly contentType: string
}

/** Called at each scrape, so they must answer from memory. One that throws is logged and left out. */
export interface ScrapedGauges {
  consumerLag?: () => Iterable<LagSample>
  workerRssBytes?: () => number
  assignedPartitions?: () => number
}

/** `options.log` hears of gauges that could not be read. */
export function createMetrics(options: { log?: Logger } = {}): Metrics {
  return new PlainMetrics(options.log)
}

/**
 * prom-client names these gauges as if they were counters, which `promtool check metrics` rejects; the
 * same numbers stand by type in the metrics of the same name without `_total`.
 */
const MISNAMED_DEFAULTS = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** The event loop is sampled this often; prom-client's 10 ms would wake an idle process 100 times a second. */
const EVENT_LOOP_SAMPLE_MS = 50

class PlainMetrics implements Metrics {
  readonly #registry = new Registry()
  readonly #log: Logger | undefined
  readonly #triggers = new Map<string, TriggerCounters>()
  readonly #events = new EventCounters()
  readonly #ingressCodes = new Map<number, number>()
  readonly #appends = new DurationHistogram()
  readonly #kills = new Map<string, { fn: string; reason: string; count: number }>()
  #ingressBufferedBytes: (() => number) | undefined
  #gauges: ScrapedGauges = {}
  /** The books of all triggers as they stood when the running scrape began. */
  #books: Array<[trigger: string, books: LedgerSnapshot]> = []
  readonly ingress: IngressMetrics

  constructor(log: Logger | undefined) {
    this.#log = log
    this.ingress = {
      request: (code) => {
        this.#ingressCodes.set(code, (this.#ingressCodes.get(code) ?? 0) + 1)
      },
      append: (seconds) => {
        this.#appends.observe(seconds)
      },
      bufferedBytes: (read) => {
        this.#ingressBufferedBytes = read
      },
    }
    for (const [name, read] of Object.entries(this.#readers())) {
      this.#registry.registerMetric(snapshotMetric(name as MetricName, read))
    }
    collectDefaultMetrics({
      register: this.#registry,
      eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS,
    })
    for (const name of MISNAMED_DEFAULTS) this.#registry.removeSingleMetric(name)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  forTrigger(trigger: string): TriggerMetrics {
    let counters = this.#triggers.get(trigger)
    if (counters === undefined) {
      counters = new TriggerCounters(this.#events)
      this.#triggers.set(trigger, counters)
    }
    return counters
  }

  isolateKilled(fn: string, reason: string): void {
    const key = JSON.stringify([fn, reason])
    const cell = this.#kills.get(key) ?? { fn, reason, count: 0 }
    cell.count++
    this.#kills.set(key, cell)
  }

  atScrape(gauges: ScrapedGauges): void {
    this.#gauges = gauges
  }

  async render(): Promise<string> {
    this.#books = [...this.#triggers].map(([trigger, counters]) => [
      trigger,
      counters.ledger.snapshot(),
    ])
    return this.#registry.metrics()
  }

  #readers(): Record<MetricName, () => Sample[]> {
    return {
      cloudevents_received_total: () =>
        [...this.#events.receivedCells()].map(({ type, source, count }) => ({
          labels: { type, source },
          value: count,
        })),
      cloudevents_processed_total: () =>
        [...this.#events.processedRows()].flatMap(([type, { byStatus }]) =>
          PROCESSED_STATUSES.map((status) => ({
            labels: { type, status },
            value: byStatus[status],
          })),
        ),
      cloudevents_processing_duration_seconds: () =>
        [...this.#events.processedRows()].flatMap(([type, { durations }]) =>
          histogramSamples('cloudevents_processing_duration_seconds', { type }, durations),
        ),
      millrace_records_consumed_total: () =>
        this.#books.map(([trigger, books]) => ({ labels: { trigger }, value: books.consumed })),
      millrace_outcomes_total: () =>
        this.#books.flatMap(([trigger, books]) =>
          LEDGER_ENTRIES.map((outcome) => ({
            labels: { trigger, outcome },
            value: books.outcomes[outcome],
          })),
        ),
      millrace_in_flight: () =>
        this.#books.map(([trigger, books]) => ({ labels: { trigger }, value: books.inFlight })),
      millrace_consumer_lag: () =>
        this.#read('millrace_consumer_lag', () =>
          [...(this.#gauges.consumerLag?.() ?? [])].map(({ lag, ...labels }) => ({
            labels: { trigger: labels.trigger, topic: labels.topic, partition: labels.partition },
            value: lag,
          })),
        ),
      millrace_attempts_total: () =>
        [...this.#triggers].flatMap(([trigger, counters]) =>
          ATTEMPT_RESULTS.map((result) => ({
            labels: { trigger, result },
            value: counters.attempts[result],
          })),
        ),
      millrace_retries_total: () =>
        [...this.#triggers].map(([trigger, counters]) => ({
          labels: { trigger },
          value: counters.retries,
        })),
      millrace_window_full_seconds_total: () =>
        [...this.#triggers].map(([trigger, counters]) => ({
          labels: { trigger },
          value: counters.windowFullSeconds,
        })),
      millrace_breaker_open: () =>
        [...this.#triggers].flatMap(([trigger, { isBreakerOpen }]) =>
          isBreakerOpen === undefined
            ? []
            : [{ labels: { trigger }, value: Number(isBreakerOpen) }],
        ),
      millrace_ingress_requests_total: () =>
        [...this.#ingressCodes].map(([code, value]) => ({ labels: { code }, value })),
      millrace_ingress_buffered_bytes: () =>
        this.#readNumber('millrace_ingress_buffered_bytes', this.#ingressBufferedBytes),
      millrace_append_seconds: () => histogramSamples('millrace_append_seconds', {}, this.#appends),
      millrace_isolate_kills_total: () =>
        [...this.#kills.values()].map(({ fn, reason, count }) => ({
          labels: { function: fn, reason },
          value: count,
        })),
      millrace_worker_rss_bytes: () =>
        this.#readNumber('millrace_worker_rss_bytes', this.#gauges.workerRssBytes),
      millrace_assigned_partitions: () =>
        this.#readNumber('millrace_assigned_partitions', this.#gauges.assignedPartitions),
    }
  }

  #readNumber(name: MetricName, read: (() => number) | undefined): Sample[] {
    return this.#read(name, () => (read === undefined ? [] : [{ labels: {}, value: read() }]))
  }

  /** One gauge that cannot be read must not cost the whole scrape. */
  #read(metric: MetricName, read: () => Sample[]): Sample[] {
    try {
      return read()
    } catch (err) {
      this.#log?.error({ err, metric }, 'a metric could not be read and is left out of this scrape')
      return []
    }
  }
}
