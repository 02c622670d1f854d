import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { deadLetterTopic, retryTopic } from '../../../runtime/broker/names.ts'
import { headerText } from '../../../runtime/dlq/headers.ts'
import { retryRecord } from '../../../runtime/dlq/retry-record.ts'
import { decodeRecord } from '../../../runtime/codec/record.ts'
import { flowBench, logRecord, ONCE, TWICE, type FlowBench } from '../../support/flow-bench.ts'
import { into, parallel, sequence } from '../../support/sample-flow.ts'
import { done, failed, replyOf } from '../../support/scripted-runner.ts'

const BROKER = into(sequence('x', [])).topic
const LETTERS = deadLetterTopic(into(sequence('x', [])).group)

/** A subscriber replies to the event `cause` with one of type `type`. */
async function reply(b: FlowBench, of: string, cause: string, type: string): Promise<void> {
  await b.answer(of, [done(b.runner(of).take(cause), [replyOf(type)])])
}

function only<T>(list: readonly T[]): T {
  assert.equal(list.length, 1)
  return list[0] as T
}

/** The one event that a subscriber has. */
function idAt(b: FlowBench, of: string): string {
  return only(b.runner(of).submitted).event.attributes.id
}

describe('a sequence within one process', () => {
  it('hands on what each step replies, and ends the event when the last reply is in the log', async (t) => {
    const flow = sequence('s', [{ subscriber: 'a' }, { subscriber: 'b' }])
    const b = await flowBench(t, into(flow), [flow])
    b.send('e1', 'k')
    await b.turn()
    await reply(b, 'a', 'e1', 'priced')
    assert.deepEqual(b.settled, [])
    assert.equal(b.log.length, 0)
    await reply(b, 'b', idAt(b, 'b'), 'shipped')
    assert.deepEqual(
      b.log.map(({ topic, event }) => [topic, event.attributes.type]),
      [[BROKER, 'shipped']],
    )
    assert.deepEqual(b.settled, ['e1:acked'])
  })

  it('gives each step the event as it came, with the key and one hop more for each reply', async (t) => {
    const flow = sequence('s', [{ subscriber: 'a' }, { subscriber: 'b' }])
    const b = await flowBench(t, into(flow), [flow])
    b.send('e1', 'k', { count: 5 })
    await b.turn()
    const [first] = b.runner('a').submitted
    assert.deepEqual(first?.event.attributes, {
      specversion: '1.0',
      id: 'e1',
      source: '/test',
      type: 'in',
      count: '5',
      datacontenttype: 'application/json',
      partitionkey: 'k',
    })
    assert.equal(String(first?.event.data?.bytes), '{"a":1}')
    await reply(b, 'a', 'e1', 'priced')
    const { attributes } = only(b.runner('b').submitted).event
    assert.equal(attributes['partitionkey'], 'k')
    assert.equal(attributes['causationid'], 'e1')
    assert.equal(attributes['millracehops'], '1')
    await reply(b, 'b', attributes.id, 'shipped')
    assert.equal(only(b.log).event.attributes['millracehops'], '2')
    assert.equal(only(b.log).event.attributes['correlationid'], 'e1')
  })

  it('ends with a step that replies nothing', async (t) => {
    const flow = sequence('s', [{ subscriber: 'a' }, { subscriber: 'b' }])
    const b = await flowBench(t, into(flow), [flow])
    b.send('e1')
    await b.turn()
    await b.answer('a', [done(b.runner('a').take('e1'))])
    assert.deepEqual(b.settled, ['e1:acked'])
    assert.deepEqual([b.log.length, b.runner('b').submitted.length], [0, 0])
  })

  it('drops the last reply when the flow names no destination', async (t) => {
    const flow = sequence('s', [{ subscriber: 'a' }], { kind: 'none' })
    const b = await flowBench(t, into(flow), [flow])
    b.send('e1')
    await b.turn()
    await reply(b, 'a', 'e1', 'lost')
    assert.deepEqual([b.settled, b.log.length], [['e1:acked'], 0])
  })

  it('keeps the order of a key over a retry in a later step, and lets other keys pass', async (t) => {
    const flow = sequence('s', [{ subscriber: 'a' }, { subscriber: 'b', delivery: TWICE }])
    const b = await flowBench(t, into(flow), [flow])
    for (const [id, key] of [
      ['k1', 'k'],
      ['k2', 'k'],
      ['other', 'o'],
    ] as const) {
      b.send(id, key)
    }
    await b.turn()
    const { runner } = b
    await b.answer(
      'a',
      runner('a')
        .submitted.splice(0)
        .map((item) => done(item, [replyOf(item.event.attributes.id)])),
    )
    const at = (type: string): string =>
      runner('b').submitted.find((item) => item.event.attributes.type === type)?.event.attributes
        .id ?? 'none'
    const [first, second] = [at('k1'), at('k2')]
    await b.answer('b', [
      failed(runner('b').take(first)),
      { id: runner('b').take(second).id, status: 'again', suspect: false },
    ])
    await reply(b, 'b', at('other'), 'other')
    assert.deepEqual(b.settled, ['other:acked'])
    assert.equal(b.channel.waiting, 2)
    t.mock.timers.tick(1_000)
    await b.turn()
    await b.answer(
      'b',
      runner('b')
        .submitted.splice(0)
        .map((item) => done(item, [replyOf(item.event.attributes.type)])),
    )
    assert.deepEqual(b.settled, ['other:acked', 'k1:acked', 'k2:acked'])
    assert.deepEqual(
      b.log.map(({ event }) => event.attributes.type),
      ['other', 'k1', 'k2'],
    )
    assert.equal(b.channel.waiting, 0)
  })

  it('shows the attempts of all steps, and counts each step for itself', async (t) => {
    const flow = sequence('s', [{ subscriber: 'a' }, { subscriber: 'b', delivery: TWICE }])
    const b = await flowBench(t, into(flow), [flow])
    b.send('e1')
    await b.turn()
    await reply(b, 'a', 'e1', 'priced')
    await b.answer('b', [failed(b.runner('b').take(idAt(b, 'b')))])
    t.mock.timers.tick(1_000)
    await b.turn()
    await reply(b, 'b', idAt(b, 'b'), 'shipped')
    const trace = b.deliveries.trace('events/orders', { topic: BROKER, partition: 0 }, 0)
    assert.equal(trace?.outcome, 'acked')
    assert.deepEqual(
      trace?.attempts.map(({ step, attempt, result }) => [step, attempt, result]),
      [
        [undefined, 1, 'done'],
        ['s-kn-sequence-0', 1, 'done'],
        ['s-kn-sequence-1', 1, 'failed'],
        ['s-kn-sequence-1', 2, 'done'],
      ],
    )
    const text = await b.metrics.render()
    for (const line of [
      'millrace_records_consumed_total{trigger="events/s-kn-sequence-1"} 1',
      'millrace_outcomes_total{trigger="events/s-kn-sequence-1",outcome="acked"} 1',
      'millrace_in_flight{trigger="events/s-kn-sequence-1"} 0',
      'millrace_retries_total{trigger="events/s-kn-sequence-1"} 1',
    ]) {
      assert.ok(text.includes(line), line)
    }
  })
})

describe('a dead letter of a step', () => {
  async function fails(t: TestContext): Promise<FlowBench> {
    const flow = sequence('s', [
      { subscriber: 'a' },
      { subscriber: 'b', delivery: ONCE },
      { subscriber: 'c' },
    ])
    const b = await flowBench(t, into(flow), [flow])
    b.send('e0')
    b.send('e1', 'k')
    await b.turn()
    await b.answer('a', [done(b.runner('a').take('e0'))])
    await reply(b, 'a', 'e1', 'priced')
    await b.answer('b', [failed(b.runner('b').take(idAt(b, 'b')))])
    return b
  }

  it('goes to the dead letters of the trigger, and names the step', async (t) => {
    const b = await fails(t)
    const { topic, event, record } = only(b.log)
    const letter = logRecord(record, 0)
    assert.equal(topic, LETTERS)
    assert.equal(event.attributes.type, 'priced')
    assert.equal(event.attributes['fnstep'], 's-kn-sequence-1')
    assert.equal(event.attributes['knativeerrordest'], '/events/functions/b')
    assert.equal(headerText(letter, 'millrace-step'), 'events/s-kn-sequence-1')
    assert.equal(headerText(letter, 'millrace-trigger'), 'events/orders')
    assert.equal(headerText(letter, 'millrace-function'), 'b')
    assert.equal(headerText(letter, 'millrace-origin'), `${BROKER}/0/1`)
    assert.deepEqual(b.settled, ['e0:acked', 'e1:acked'])
  })

  async function replay(b: FlowBench, flowStep?: string): Promise<void> {
    const topic = retryTopic(b.trigger.group)
    const given = logRecord(only(b.log).record, 0)
    const letter =
      flowStep === undefined
        ? given
        : {
            ...given,
            headers: given.headers.map(([name, value]) =>
              String(name) === 'millrace-step'
                ? ([name, Buffer.from(flowStep)] as const)
                : ([name, value] as const),
            ),
          }
    const record = retryRecord(`${LETTERS}/0/0`, letter, { topic, partitions: 1 })
    const back = logRecord(record, 7)
    b.log.splice(0)
    b.settled.splice(0)
    b.open(topic, 0, b.channel).deliver(back, decodeRecord(back))
    await b.turn()
  }

  it('comes back to that step and goes on from there', async (t) => {
    const b = await fails(t)
    await replay(b)
    assert.deepEqual(b.runner('a').submitted, [])
    const { attributes } = only(b.runner('b').submitted).event
    assert.equal(attributes.type, 'priced')
    assert.equal(attributes['fnstep'], undefined)
    assert.equal(attributes['knativeerrordest'], undefined)
    await reply(b, 'b', attributes.id, 'packed')
    assert.deepEqual(b.settled, [])
    await reply(b, 'c', idAt(b, 'c'), 'shipped')
    assert.equal(only(b.log).event.attributes.type, 'shipped')
    assert.deepEqual(b.settled, ['undefined:acked'])
  })

  it('keeps the place where its event came into the broker when it fails again', async (t) => {
    const b = await fails(t)
    await replay(b)
    await reply(b, 'b', idAt(b, 'b'), 'packed')
    await b.answer('c', [failed(b.runner('c').take(idAt(b, 'c')), { code: 'FN_DATA_INVALID' })])
    const letter = logRecord(only(b.log).record, 0)
    assert.equal(headerText(letter, 'millrace-origin'), `${BROKER}/0/1`)
    assert.equal(headerText(letter, 'millrace-replay-of'), `${LETTERS}/0/0`)
    assert.equal(headerText(letter, 'millrace-step'), 'events/s-kn-sequence-2')
    assert.deepEqual(b.settled, ['undefined:acked'])
  })

  it('waits behind what its key already has at that step', async (t) => {
    const b = await fails(t)
    b.send('e2', 'k')
    await b.turn()
    await reply(b, 'a', 'e2', 'second')
    const before = idAt(b, 'b')
    await replay(b)
    assert.equal(idAt(b, 'b'), before)
    await b.answer('b', [done(b.runner('b').take(before))])
    assert.equal(only(b.runner('b').submitted).event.attributes.type, 'priced')
  })

  it('becomes a dead letter again when the step is no longer there', async (t) => {
    const b = await fails(t)
    await replay(b, 'events/s-kn-sequence-9')
    for (const name of ['a', 'b', 'c']) assert.deepEqual(b.runner(name).submitted, [])
    const { event, record } = only(b.log)
    assert.equal(event.attributes['fnstep'], 's-kn-sequence-9')
    assert.equal(headerText(logRecord(record, 0), 'millrace-code'), 'FN_DELIVERY_NO_STEP')
    assert.deepEqual(b.settled, ['undefined:deadlettered'])
  })

  it('is not believed of a record in the broker’s own topic', async (t) => {
    const flow = sequence('s', [{ subscriber: 'a' }, { subscriber: 'b' }])
    const b = await flowBench(t, into(flow), [flow])
    const record = logRecord(
      {
        topic: BROKER,
        key: null,
        value: null,
        partitionBy: 0,
        headers: [
          ...(['specversion:1.0', 'id:e1', 'source:/x', 'type:in'] as const).map((text) => {
            const [name, value] = text.split(':') as [string, string]
            return [`ce_${name}`, value] as const
          }),
          ['millrace-step', 'events/s-kn-sequence-1'],
        ],
      },
      0,
    )
    b.channel.deliver(record, decodeRecord(record))
    await b.turn()
    assert.equal(idAt(b, 'a'), 'e1')
    assert.deepEqual(b.runner('b').submitted, [])
  })
})

describe('a parallel within one process', () => {
  it('runs all branches, those without what their filter replied, and prefers a branch’s own reply', async (t) => {
    const flow = parallel('p', [
      { filter: 'f0', subscriber: 'a' },
      { subscriber: 'b', reply: { kind: 'topic', topic: 'elsewhere' } },
      { filter: 'f2', subscriber: 'c' },
    ])
    const b = await flowBench(t, into(flow), [flow])
    b.send('e1')
    await b.turn()
    await b.answer('f2', [done(b.runner('f2').take('e1'))])
    await reply(b, 'f0', 'e1', 'filtered')
    assert.deepEqual(b.runner('c').submitted, [])
    assert.equal(only(b.runner('a').submitted).event.attributes.type, 'filtered')
    await reply(b, 'b', 'e1', 'from b')
    assert.deepEqual(b.settled, [])
    await reply(b, 'a', idAt(b, 'a'), 'from a')
    assert.deepEqual(
      b.log.map(({ topic, event }) => [topic, event.attributes.type]),
      [
        ['elsewhere', 'from b'],
        [BROKER, 'from a'],
      ],
    )
    assert.deepEqual(b.settled, ['e1:acked'])
  })
})
