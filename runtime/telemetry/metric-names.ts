/**
 * Every metric of Millrace, in one table; `docs/reference/metrics.md` is held equal to it by a test.
 * The first three are the guide's, with its names and labels.
 */
export interface MetricEntry {
  type: 'counter' | 'gauge' | 'histogram'
  labels: readonly string[]
  help: string
}

export const METRICS = {
  cloudevents_received_total: {
    type: 'counter',
    labels: ['type', 'source'],
    help: 'Events received: once per trigger that an event matches, when its first attempt begins',
  },
  cloudevents_processed_total: {
    type: 'counter',
    labels: ['type', 'status'],
    help: 'Events processed, once per outcome: success, error (dead-lettered), dropped',
  },
  cloudevents_processing_duration_seconds: {
    type: 'histogram',
    labels: ['type'],
    help: 'Time in handlers over all attempts of an event, waits excluded',
  },
  millrace_records_consumed_total: {
    type: 'counter',
    labels: ['trigger'],
    help: 'Records consumed; always the sum of millrace_outcomes_total and millrace_in_flight',
  },
  millrace_outcomes_total: {
    type: 'counter',
    labels: ['trigger', 'outcome'],
    help: 'Records that ended, by outcome; returned = given back unfinished with its partition',
  },
  millrace_in_flight: {
    type: 'gauge',
    labels: ['trigger'],
    help: 'Records consumed that have no outcome yet',
  },
  millrace_consumer_lag: {
    type: 'gauge',
    labels: ['trigger', 'topic', 'partition'],
    help: 'Records from the committed offset of a trigger to the end of the log',
  },
  millrace_attempts_total: {
    type: 'counter',
    labels: ['trigger', 'result'],
    help: 'Attempts to handle an event: done, dropped, failed',
  },
  millrace_retries_total: {
    type: 'counter',
    labels: ['trigger'],
    help: 'Attempts after the first of an event',
  },
  millrace_window_full_seconds_total: {
    type: 'counter',
    labels: ['trigger'],
    help: 'Time in which a partition of the trigger was not read because its window of unfinished offsets was full',
  },
  millrace_breaker_open: {
    type: 'gauge',
    labels: ['trigger'],
    help: 'Whether the breaker of a trigger keeps events from its function: 1 open, 0 closed',
  },
  millrace_ingress_requests_total: {
    type: 'counter',
    labels: ['code'],
    help: 'Requests answered by the ingress, by HTTP status code',
  },
  millrace_ingress_buffered_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Bytes of requests that the ingress holds and has not answered',
  },
  millrace_append_seconds: {
    type: 'histogram',
    labels: [],
    help: 'Time until an append of the ingress was durable or had failed',
  },
  millrace_isolate_kills_total: {
    type: 'counter',
    labels: ['function', 'reason'],
    help: 'Isolates and workers ended by force',
  },
  millrace_worker_rss_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Resident memory of all worker processes',
  },
  millrace_assigned_partitions: {
    type: 'gauge',
    labels: [],
    help: 'Partitions that this process owns',
  },
} as const satisfies Record<string, MetricEntry>

export type MetricName = keyof typeof METRICS

/** Upper bounds, in seconds. Handlers take microseconds to minutes, an append at least a disk flush. */
export const DURATION_BUCKETS_SECONDS = [
  0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30,
] as const
