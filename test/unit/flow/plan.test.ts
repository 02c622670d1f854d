import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Destination } from '../../../runtime/contract/subscriber.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { planFlow } from '../../../runtime/flow/plan.ts'
import { ONCE } from '../../support/flow-bench.ts'
import { into, parallel, sequence } from '../../support/sample-flow.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) => isMillraceError(error, 'FN_CONFIG_INVALID') && message.test(error.message)
}

describe('the plan of a flow', () => {
  it('is empty for a trigger whose output is the log’s', () => {
    const { hops, routes, output } = planFlow(sampleTrigger('a'), [])
    assert.deepEqual([hops, routes.size], [[], 0])
    assert.deepEqual(output, { reply: sampleTrigger('a').topic, deadLetter: undefined })
  })

  it('has a step once, though two ways lead to it', () => {
    const last = sequence('last', [{ subscriber: 'z' }])
    const both: Destination = { kind: 'channel', channel: last.entry }
    const flow = parallel('p', [{ subscriber: 'a' }, { subscriber: 'b' }], both)
    const { hops } = planFlow(into(flow), [flow, last])
    assert.deepEqual(
      hops.map(({ step }) => step),
      [
        'p-kn-parallel-filter-0',
        'p-kn-parallel-0',
        'last-kn-sequence-0',
        'p-kn-parallel-filter-1',
        'p-kn-parallel-1',
      ],
    )
  })

  it('gives steps the names of their triggers, and the source’s topic, group and order', () => {
    const flow = sequence('s', [{ subscriber: 'a' }])
    const source = { ...into(flow), ordering: 'partition' as const, concurrency: 7 }
    const [hop] = planFlow(source, [flow]).hops
    const { namespace, name, topic, group, ordering, concurrency } = hop?.trigger ?? {}
    assert.deepEqual(
      { namespace, name, topic, group, ordering, concurrency },
      {
        namespace: 'events',
        name: 's-kn-sequence-0',
        topic: source.topic,
        group: source.group,
        ordering: 'partition',
        concurrency: 7,
      },
    )
  })

  it('refuses a circle within the process, and names it', () => {
    const one = sequence('one', [{ subscriber: 'a' }], {
      kind: 'channel',
      channel: sequence('two', []).entry,
    })
    const two = sequence('two', [{ subscriber: 'b' }], { kind: 'channel', channel: one.entry })
    assert.throws(
      () => planFlow(into(one), [one, two]),
      refusal(
        /events\/two-kn-sequence-0.*one-kn-sequence-0 → .*two-kn-sequence-0 → .*durable: each/,
      ),
    )
  })

  it('refuses exactlyOnce, whose output has to be in the log', () => {
    const flow = sequence('s', [{ subscriber: 'a' }])
    const trigger = { ...into(flow), delivery: { ...ONCE, exactlyOnce: true } }
    assert.throws(() => planFlow(trigger, [flow]), refusal(/events\/orders: exactlyOnce/))
    const sink: Destination = { kind: 'function', name: 'sink' }
    assert.throws(
      () =>
        planFlow(
          { ...sampleTrigger('a'), deadLetterSink: sink, delivery: { ...ONCE, exactlyOnce: true } },
          [],
        ),
      refusal(/exactlyOnce/),
    )
    planFlow({ ...sampleTrigger('a'), delivery: { ...ONCE, exactlyOnce: true } }, [])
  })

  it('refuses to park behind dead letters that go elsewhere', () => {
    const delivery = { ...ONCE, onDeadLetter: 'park' as const }
    const deadLetterSink: Destination = { kind: 'topic', topic: 'other' }
    assert.throws(
      () => planFlow({ ...sampleTrigger('a'), delivery, deadLetterSink }, []),
      refusal(/park.*other/),
    )
    planFlow({ ...sampleTrigger('a'), delivery }, [])
  })
})
