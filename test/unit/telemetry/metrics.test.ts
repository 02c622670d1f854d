import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Logger } from '../../../runtime/contract/log.ts'
import { METRICS } from '../../../runtime/telemetry/metric-names.ts'
import { createMetrics, type Metrics } from '../../../runtime/telemetry/metrics.ts'

async function valueOf(metrics: Metrics, line: string): Promise<number | undefined> {
  const text = await metrics.render()
  const found = text.split('\n').find((each) => each.startsWith(`${line} `))
  return found === undefined ? undefined : Number(found.slice(line.length + 1))
}

test("the guide's metrics carry its names and labels", async () => {
  const metrics = createMetrics()
  const trigger = metrics.forTrigger('events/orders')
  trigger.received('com.company.orders.created', 'order-service')
  trigger.received('com.company.orders.created', 'order-service')
  trigger.processed('com.company.orders.created', 'success', 0.25)
  const labels = 'type="com.company.orders.created"'
  assert.equal(
    await valueOf(metrics, `cloudevents_received_total{${labels},source="order-service"}`),
    2,
  )
  assert.equal(await valueOf(metrics, `cloudevents_processed_total{${labels},status="success"}`), 1)
  assert.equal(await valueOf(metrics, `cloudevents_processed_total{${labels},status="error"}`), 0)
  assert.equal(
    await valueOf(metrics, `cloudevents_processing_duration_seconds_sum{${labels}}`),
    0.25,
  )
  assert.equal(
    await valueOf(metrics, `cloudevents_processing_duration_seconds_bucket{${labels},le="+Inf"}`),
    1,
  )
})

test('consumed, outcomes and in flight of one scrape come from one moment', async () => {
  const metrics = createMetrics()
  const trigger = metrics.forTrigger('events/orders')
  trigger.consumed(5)
  trigger.outcome('acked', 2)
  trigger.outcome('filtered')
  const scrape = metrics.render()
  trigger.outcome('dropped')
  trigger.consumed(7)
  const text = await scrape
  assert.match(text, /millrace_records_consumed_total\{trigger="events\/orders"\} 5\n/)
  assert.match(text, /millrace_outcomes_total\{trigger="events\/orders",outcome="acked"\} 2\n/)
  assert.match(text, /millrace_outcomes_total\{trigger="events\/orders",outcome="dropped"\} 0\n/)
  assert.match(text, /millrace_in_flight\{trigger="events\/orders"\} 2\n/)
})

test('records that were given back are no longer in flight, and no counter goes back', async () => {
  const metrics = createMetrics()
  const trigger = metrics.forTrigger('events/orders')
  trigger.consumed(3)
  trigger.returned(3)
  assert.equal(trigger.inFlight, 0)
  const at = 'trigger="events/orders"'
  assert.equal(await valueOf(metrics, `millrace_records_consumed_total{${at}}`), 3)
  assert.equal(await valueOf(metrics, `millrace_outcomes_total{${at},outcome="returned"}`), 3)
})

test('a trigger has one handle', () => {
  const metrics = createMetrics()
  metrics.forTrigger('a/b').consumed()
  assert.equal(metrics.forTrigger('a/b').inFlight, 1)
  assert.equal(metrics.forTrigger('a/c').inFlight, 0)
})

test('types and sources beyond 200 are counted as other', async () => {
  const metrics = createMetrics()
  const trigger = metrics.forTrigger('a/b')
  for (let i = 0; i < 250; i++) {
    trigger.received(`type${i}`, 'source')
    trigger.received('type0', `source${i}`)
    trigger.processed(`type${i}`, 'error', 0)
  }
  const at = (labels: string): Promise<number | undefined> =>
    valueOf(metrics, `cloudevents_received_total{${labels}}`)
  assert.equal(await at('type="type0",source="source"'), 1)
  assert.equal(await at('type="type199",source="source"'), 1)
  assert.equal(await at('type="type200",source="source"'), undefined)
  assert.equal(await at('type="other",source="source"'), 50)
  assert.equal(await at('type="type0",source="other"'), 51)
  assert.equal(
    await valueOf(metrics, 'cloudevents_processed_total{type="other",status="error"}'),
    50,
  )
})

test('labels from events cannot forge a line', async () => {
  const metrics = createMetrics()
  metrics.forTrigger('a/b').received('x"} 1\nforged 1', '\\')
  const text = await metrics.render()
  assert.ok(!text.split('\n').some((line) => line.startsWith('forged')))
})

test('attempts, retries, kills, ingress and the gauges are exported', async () => {
  const metrics = createMetrics()
  const trigger = metrics.forTrigger('a/b')
  trigger.attempt('failed')
  trigger.attempt('done')
  trigger.retry()
  metrics.isolateKilled('orders', 'cpu')
  metrics.isolateKilled('orders', 'cpu')
  metrics.ingress.request(202)
  metrics.ingress.append(0.004)
  metrics.ingress.bufferedBytes(() => 17)
  metrics.atScrape({
    consumerLag: () => [{ trigger: 'a/b', topic: 't', partition: 3, lag: 9 }],
    workerRssBytes: () => 1_000,
    assignedPartitions: () => 4,
  })
  const expected: Array<[line: string, value: number]> = [
    ['millrace_attempts_total{trigger="a/b",result="failed"}', 1],
    ['millrace_attempts_total{trigger="a/b",result="done"}', 1],
    ['millrace_retries_total{trigger="a/b"}', 1],
    ['millrace_isolate_kills_total{function="orders",reason="cpu"}', 2],
    ['millrace_ingress_requests_total{code="202"}', 1],
    ['millrace_ingress_buffered_bytes', 17],
    ['millrace_append_seconds_count', 1],
    ['millrace_consumer_lag{trigger="a/b",topic="t",partition="3"}', 9],
    ['millrace_worker_rss_bytes', 1_000],
    ['millrace_assigned_partitions', 4],
  ]
  for (const [line, value] of expected) assert.equal(await valueOf(metrics, line), value, line)
})

test('a gauge that throws is logged and left out, and the scrape goes on', async () => {
  const logged: unknown[] = []
  const note = (...args: unknown[]): void => {
    logged.push(args)
  }
  const log: Logger = { debug: note, info: note, warn: note, error: note, child: () => log }
  const metrics = createMetrics({ log })
  metrics.atScrape({
    consumerLag: () => {
      throw new Error('not now')
    },
    assignedPartitions: () => 4,
  })
  assert.equal(await valueOf(metrics, 'millrace_assigned_partitions'), 4)
  assert.equal(logged.length, 1)
})

test('every metric of the table is in the exposition, with its type and help', async () => {
  const text = await createMetrics().render()
  for (const [name, { type, help }] of Object.entries(METRICS)) {
    assert.ok(text.includes(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`), name)
  }
})
