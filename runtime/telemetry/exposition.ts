/** How plain numbers become metrics of prom-client. */
import type { Metric } from 'prom-client'
import type { DurationHistogram } from './duration-histogram.ts'
import { METRICS, type MetricName } from './metric-names.ts'

/** One line of the exposition. `metricName` only where it is not the metric's own, as in histograms. */
export interface Sample {
  labels: Record<string, string | number>
  value: number
  metricName?: string
}

export function histogramSamples(
  name: MetricName,
  labels: Record<string, string>,
  histogram: DurationHistogram,
): Sample[] {
  const { buckets, sum, count } = histogram.snapshot()
  return [
    ...buckets.map((bucket) => ({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: bucket.le },
      value: bucket.count,
    })),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}

/**
 * A metric whose values are computed at the scrape. prom-client's own classes cannot take over finished
 * counts (a Histogram not at all); its registry asks only for `name` and `get`.
 */
export function snapshotMetric(name: MetricName, read: () => Sample[]): Metric {
  const { type, help, labels } = METRICS[name]
  const metric = {
    name,
    help,
    type,
    labelNames: labels,
    aggregator: 'sum',
    get: () => Promise.resolve({ name, help, type, aggregator: 'sum', values: read() }),
  }
  return metric as unknown as Metric
}
