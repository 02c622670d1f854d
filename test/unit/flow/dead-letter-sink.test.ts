import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { deadLetterTopic, retryTopic } from '../../../runtime/broker/names.ts'
import { decodeRecord } from '../../../runtime/codec/record.ts'
import type { TriggerManifest } from '../../../runtime/contract/manifest.ts'
import { headerText } from '../../../runtime/dlq/headers.ts'
import { retryRecord } from '../../../runtime/dlq/retry-record.ts'
import { flowBench, logRecord, ONCE, TWICE, type FlowBench } from '../../support/flow-bench.ts'
import { into, sequence } from '../../support/sample-flow.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'
import { done, failed, replyOf } from '../../support/scripted-runner.ts'

const { topic: BROKER, group: GROUP } = sampleTrigger('orders')
const LETTERS = deadLetterTopic(GROUP)

async function failing(t: TestContext, given: Partial<TriggerManifest>): Promise<FlowBench> {
  const b = await flowBench(t, { delivery: ONCE, ...given })
  b.send('e1', 'k')
  await b.turn()
  await b.answer('orders', [failed(b.runner('orders').take('e1'))])
  return b
}

describe('a dead-letter sink', () => {
  it('that is a function gets the event with why it failed, and its reply goes to the broker', async (t) => {
    const b = await failing(t, { deadLetterSink: { kind: 'function', name: 'sink' } })
    assert.deepEqual([b.settled.length, b.log.length], [0, 0])
    const item = b.runner('sink').take('e1')
    const { attributes, data } = item.event
    assert.equal(attributes['knativeerrordest'], '/events/functions/orders')
    assert.equal(attributes['knativeerrorcode'], '500')
    assert.equal(
      Buffer.from(String(attributes['knativeerrordata']), 'base64').toString(),
      'Error: no',
    )
    assert.equal(String(data?.bytes), '{"a":1}')
    await b.answer('sink', [done(item, [replyOf('noted')])])
    assert.deepEqual(
      b.log.map(({ topic, event }) => [topic, event.attributes.type]),
      [[BROKER, 'noted']],
    )
    assert.deepEqual(b.settled, ['e1:deadlettered'])
  })

  it('that is a broker gets the event in its topic, and nothing that is not the event’s', async (t) => {
    const b = await failing(t, { deadLetterSink: { kind: 'topic', topic: 'other-broker' } })
    const [{ topic, event, record }] = b.log as [FlowBench['log'][number]]
    assert.deepEqual([topic, event.attributes.id, record.key], ['other-broker', 'e1', 'k'])
    assert.equal(event.attributes['knativeerrorcode'], '500')
    assert.ok(!record.headers.some(([name]) => String(name).startsWith('millrace-')))
    assert.deepEqual(b.settled, ['e1:deadlettered'])
  })

  it('that sends the event back to its trigger for ever, ends so as an ordinary dead letter', async (t) => {
    const b = await flowBench(t, {
      delivery: ONCE,
      deadLetterSink: { kind: 'topic', topic: BROKER },
    })
    const fail = async (id: string, millracehops: number): Promise<FlowBench['log'][number]> => {
      b.send(id, 'k', { millracehops })
      await b.turn()
      await b.answer('orders', [failed(b.runner('orders').take(id))])
      return b.log.at(-1) as FlowBench['log'][number]
    }
    const last = await fail('e1', 254)
    assert.deepEqual([last.topic, last.event.attributes['millracehops']], [BROKER, '255'])
    assert.equal((await fail('e2', 255)).topic, LETTERS)
    assert.deepEqual(b.settled, ['e1:deadlettered', 'e2:deadlettered'])
  })

  it('is tried again until the log has the event', async (t) => {
    const b = await flowBench(t, {
      delivery: ONCE,
      deadLetterSink: { kind: 'topic', topic: 'other-broker' },
    })
    b.setLog(() => false)
    b.send('e1')
    await b.turn()
    await b.answer('orders', [failed(b.runner('orders').take('e1'))])
    assert.deepEqual(b.settled, [])
    b.setLog(() => true)
    t.mock.timers.tick(1_000)
    await b.turn()
    assert.deepEqual(b.settled, ['e1:deadlettered'])
  })

  it('that fails leaves an ordinary dead letter, which comes back to the sink', async (t) => {
    const b = await failing(t, {
      delivery: TWICE,
      deadLetterSink: { kind: 'function', name: 'sink' },
    })
    const fail = async (name: string): Promise<void> => {
      await b.answer(name, [failed(b.runner(name).take('e1'))])
      t.mock.timers.tick(1_000)
      await b.turn()
    }
    t.mock.timers.tick(1_000)
    await b.turn()
    await fail('orders')
    await fail('sink')
    assert.equal(b.log.length, 0)
    await fail('sink')
    const [{ topic, event, record }] = b.log as [FlowBench['log'][number]]
    const letter = logRecord(record, 0)
    assert.equal(topic, LETTERS)
    assert.equal(event.attributes['fnstep'], 'dead-letter-sink')
    assert.equal(event.attributes['knativeerrordest'], '/events/functions/orders')
    assert.equal(headerText(letter, 'millrace-function'), 'sink')
    assert.equal(headerText(letter, 'millrace-trigger'), 'events/orders')
    assert.deepEqual(b.settled, ['e1:deadlettered'])

    const retry = retryTopic(GROUP)
    const back = logRecord(
      retryRecord(`${LETTERS}/0/0`, letter, { topic: retry, partitions: 1 }),
      0,
    )
    b.open(retry, 0, b.channel).deliver(back, decodeRecord(back))
    await b.turn()
    assert.deepEqual(b.runner('orders').submitted, [])
    const { attributes } = b.runner('sink').take('e1').event
    assert.equal(attributes['knativeerrordest'], '/events/functions/orders')
    assert.equal(attributes['fnstep'], undefined)
  })

  it('of a step gets what that step could not handle', async (t) => {
    const flow = sequence('s', [
      { subscriber: 'a', delivery: ONCE, deadLetterSink: { kind: 'function', name: 'sink' } },
      { subscriber: 'b' },
    ])
    const b = await flowBench(t, into(flow), [flow])
    b.send('e1')
    await b.turn()
    await b.answer('a', [failed(b.runner('a').take('e1'))])
    const item = b.runner('sink').take('e1')
    assert.equal(item.event.attributes['knativeerrordest'], '/events/functions/a')
    // What it replies goes where the step's replies go: to the next one.
    await b.answer('sink', [done(item, [replyOf('mended')])])
    assert.equal(b.runner('b').submitted[0]?.event.attributes.type, 'mended')
  })

  it('may be a flow', async (t) => {
    const flow = sequence('s', [{ subscriber: 'a' }], { kind: 'none' })
    const b = await flowBench(
      t,
      { delivery: ONCE, deadLetterSink: { kind: 'channel', channel: flow.entry } },
      [flow],
    )
    b.send('e1')
    await b.turn()
    await b.answer('orders', [failed(b.runner('orders').take('e1'))])
    await b.answer('a', [done(b.runner('a').take('e1'))])
    assert.deepEqual(b.settled, ['e1:deadlettered'])
  })
})

describe('a trigger that hands events on to another broker', () => {
  const hand = async (
    t: TestContext,
    topic: string,
    hops: number,
    given: Partial<TriggerManifest> = {},
  ): Promise<FlowBench> => {
    const reply = { kind: 'topic', topic } as const
    const b = await flowBench(t, { subscriber: { kind: 'pass' }, reply, ...given })
    b.send('e1', 'k', hops === 0 ? {} : { millracehops: hops })
    await new Promise((resolve) => setImmediate(resolve))
    await b.turn()
    return b
  }

  it('ends what goes round and round as a dead letter that says so', async (t) => {
    const { log, settled } = await hand(t, 'knative-broker-events-other', 255)
    const [{ topic, event }] = log as [FlowBench['log'][number]]
    assert.equal(topic, LETTERS)
    assert.match(
      Buffer.from(String(event.attributes['knativeerrordata']), 'base64').toString(),
      /^HopLimit: event e1 has gone on 255 times, and now again into knative-broker-events-other: /,
    )
    assert.deepEqual(settled, ['e1:deadlettered'])
  })

  it('counts how often, and changes nothing else', async (t) => {
    const [{ event }] = (await hand(t, 'knative-broker-events-other', 7)).log as [
      FlowBench['log'][number],
    ]
    assert.deepEqual([event.attributes['millracehops'], event.attributes.id], ['8', 'e1'])
    assert.equal(String(event.data?.bytes), '{"a":1}')
  })

  it('does not count what a KafkaSource brings in', async (t) => {
    const wrap = { namespace: 'events', name: 'src' }
    const [{ event }] = (await hand(t, 'knative-broker-events-b', 0, { wrap })).log as [
      FlowBench['log'][number],
    ]
    assert.equal(event.attributes['millracehops'], undefined)
  })

  it('does not count channels, which lead in no circle', async (t) => {
    const [{ event }] = (await hand(t, 'knative-messaging-kafka.events.c', 7)).log as [
      FlowBench['log'][number],
    ]
    assert.equal(event.attributes['millracehops'], '7')
  })
})

describe('a reply destination', () => {
  it('that is a function gets the reply, and its own reply is dropped', async (t) => {
    const b = await flowBench(t, { reply: { kind: 'function', name: 'next' } })
    b.send('e1')
    await b.turn()
    await b.answer('orders', [done(b.runner('orders').take('e1'), [replyOf('priced')])])
    const [item] = b.runner('next').submitted.splice(0)
    assert.equal(item?.event.attributes.type, 'priced')
    assert.deepEqual(b.settled, [])
    await b.answer('next', [done(item as NonNullable<typeof item>, [replyOf('ignored')])])
    assert.deepEqual([b.settled, b.log.length], [['e1:acked'], 0])
  })

  it('that is another topic gets it there', async (t) => {
    const b = await flowBench(t, { reply: { kind: 'topic', topic: 'elsewhere' } })
    b.send('e1')
    await b.turn()
    await b.answer('orders', [done(b.runner('orders').take('e1'), [replyOf('priced')])])
    assert.deepEqual(
      b.log.map(({ topic }) => topic),
      ['elsewhere'],
    )
  })
})
