/** What a load under harm brought to light: lanes with much behind them, and retries beside success. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { AppendResult } from '../../../runtime/contract/broker.ts'
import { DEFAULT_DELIVERY, type TriggerManifest } from '../../../runtime/contract/manifest.ts'
import { DeliveryHistory } from '../../../runtime/delivery/history.ts'
import { TriggerDelivery } from '../../../runtime/delivery/trigger-delivery.ts'
import { createMetrics } from '../../../runtime/telemetry/metrics.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'
import { done, failed, replyOf, ScriptedRunner } from '../../support/scripted-runner.ts'
import { SILENT } from '../../support/silent-log.ts'

const TRIGGER: TriggerManifest = {
  ...sampleTrigger('orders'),
  ordering: 'key',
  delivery: { ...DEFAULT_DELIVERY, retry: 1, backoffPolicy: 'linear' },
  subscriber: { kind: 'function', name: 'pricer' },
}

interface Bench {
  delivery: TriggerDelivery
  runner: ScriptedRunner
  /** `id:outcome`, in the order of settling. */
  settled: string[]
  send: (id: string, key: string) => void
  turn: () => Promise<void>
}

/** The log takes everything at once. */
function bench(t: TestContext): Bench {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const runner = new ScriptedRunner()
  const settled: string[] = []
  let [ids, offset] = [0, 0]
  const blank = { key: null, value: '', headers: [], partitionBy: '' }
  const delivery = new TriggerDelivery({
    trigger: TRIGGER,
    runner,
    append: (records) =>
      Promise.resolve(
        records.map(({ topic }): AppendResult => ({ ok: true, topic, partition: 0, offset: 0 })),
      ),
    toReply: () => ({ ...blank, topic: 'replies' }),
    toDeadLetter: () => ({ ...blank, topic: 'dlq' }),
    metrics: createMetrics().forTrigger('events/orders'),
    log: SILENT,
    history: new DeliveryHistory('events/orders'),
    nextId: () => ++ids,
    replayOf: () => undefined,
  })
  const channel = delivery.open({
    trigger: TRIGGER,
    topic: TRIGGER.topic,
    partition: 0,
    onWaiting: () => {},
    onSettled: (record, outcome) => settled.push(`${record.value?.toString()}:${outcome}`),
  })
  const send = (id: string, key: string): void => {
    const record = { timestamp: 0, key: Buffer.from(key), value: Buffer.from(id), headers: [] }
    channel.deliver(
      { ...record, offset: offset++ },
      { attributes: { specversion: '1.0', id, source: '/test', type: 't' }, data: undefined },
    )
  }
  const turn = (): Promise<void> =>
    new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  return { delivery, runner, settled, send, turn }
}

describe('lanes under load', () => {
  it('does not run an event again because a later one of its key failed', async (t) => {
    const { delivery, runner, settled, send, turn } = bench(t)
    for (const id of ['e1', 'e2', 'e3']) send(id, 'k')
    await turn()
    const [e1, e2, e3] = [runner.take('e1'), runner.take('e2'), runner.take('e3')]
    delivery.take([done(e1, [replyOf('r')]), failed(e2), done(e3, [replyOf('r')])])
    await turn()
    t.mock.timers.tick(1_000)
    await turn()
    assert.deepEqual(
      runner.submitted.map((item) => item.event.attributes.id),
      ['e2', 'e3'],
    )
    assert.deepEqual(settled, ['e1:acked'])
  })

  it('runs all keys at once, however much waits behind each', async (t) => {
    const { runner, send, turn } = bench(t)
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`)
    for (let n = 0; n < 64; n++) for (const key of keys) send(`${key}-${n}`, key)
    await turn()
    const running = new Set(runner.submitted.map((item) => item.lane))
    assert.equal(running.size, keys.length)
  })
})
