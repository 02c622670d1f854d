/** Between the delivery and a subscriber that fails now and then. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogRecord } from '../../../../runtime/contract/broker.ts'
import { DEFAULT_DELIVERY, type TriggerManifest } from '../../../../runtime/contract/manifest.ts'
import { DeliveryHistory } from '../../../../runtime/delivery/history.ts'
import { TriggerDelivery } from '../../../../runtime/delivery/trigger-delivery.ts'
import { createHttpSubscribers } from '../../../../runtime/subscriber/http/subscribers.ts'
import { createMetrics } from '../../../../runtime/telemetry/metrics.ts'
import { startSubscriber } from '../../../support/http-subscriber.ts'
import { sampleTrigger } from '../../../support/sample-manifest.ts'
import { SILENT } from '../../../support/silent-log.ts'

const EVENTS = 400
const KEYS = 20

test('each key is handled in order and every event once, over failures and retries', async (t) => {
  let asked = 0
  const handled: string[] = []
  const { url } = await startSubscriber(t, (response, { headers }) => {
    const fails = asked++ % 5 === 0
    if (!fails) handled.push(String(headers['ce-id']))
    // Some are refused, some lose their connection.
    if (fails && asked % 2 === 0) response.destroy()
    else response.writeHead(fails ? 503 : 200).end()
  })
  const trigger: TriggerManifest = {
    ...sampleTrigger('orders'),
    concurrency: 8,
    delivery: { ...DEFAULT_DELIVERY, retry: 100, backoffDelayMs: 0 },
  }
  const subscribers = createHttpSubscribers({ maxReplyBytes: 1_000 })
  t.after(() => subscribers.close(0))
  const runner = subscribers.open({ name: 'events/orders', url }, (results) => {
    for (const result of results) delivery.take([result])
  })
  let ids = 0
  const unexpected = (): never => assert.fail('there are no replies and no dead letters')
  const delivery = new TriggerDelivery({
    trigger,
    runner,
    append: unexpected,
    toReply: unexpected,
    toDeadLetter: unexpected,
    metrics: createMetrics().forTrigger('events/orders'),
    log: SILENT,
    history: new DeliveryHistory('events/orders'),
    nextId: () => ++ids,
    replayOf: () => undefined,
  })
  const settled: string[] = []
  const all = Promise.withResolvers<void>()
  const channel = delivery.open({
    trigger,
    topic: trigger.topic,
    partition: 0,
    onWaiting: () => {},
    onSettled: (record, outcome) => {
      assert.equal(outcome, 'acked')
      if (settled.push(String(record.value)) === EVENTS) all.resolve()
    },
  })
  for (let n = 0; n < EVENTS; n++) {
    const id = `k${(n * 7) % KEYS}:${n}`
    channel.deliver(recordOf(id, n), {
      attributes: { specversion: '1.0', id, source: '/test', type: 't' },
      data: undefined,
    })
  }
  await all.promise
  assert.ok(asked > EVENTS, 'some were tried again')
  for (const order of [settled, handled]) {
    assert.equal(new Set(order).size, EVENTS)
    assert.equal(order.length, EVENTS)
    const last = new Map<string, number>()
    for (const id of order) {
      const [key = '', n] = id.split(':')
      assert.ok((last.get(key) ?? -1) < Number(n), id)
      last.set(key, Number(n))
    }
  }
})

function recordOf(id: string, offset: number): LogRecord {
  const key = Buffer.from(id.split(':')[0] ?? '')
  return { offset, timestamp: Date.now(), key, value: Buffer.from(id), headers: [] }
}
