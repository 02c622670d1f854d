/** Other triggers, filters and brokers while events flow, on the embedded log. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { TriggerManifest } from '../../runtime/contract/manifest.ts'
import type { FlowManifest } from '../../runtime/contract/topology.ts'
import { isMillraceError } from '../../runtime/errors.ts'
import type { Pipeline } from '../../runtime/pipeline.ts'
import { eventually } from '../support/eventually.ts'
import { LiveBench } from '../support/live-bench.ts'

interface Live {
  bench: LiveBench
  pipeline: Pipeline
  a: TriggerManifest
}

/** One trigger, `a`, and a load. */
async function underLoad(t: TestContext, given: Partial<TriggerManifest> = {}): Promise<Live> {
  const bench = await LiveBench.open(t)
  const a = bench.trigger('a', given)
  const pipeline = await bench.pipeline(bench.topology(a))
  bench.startLoad()
  t.after(() => bench.endLoad())
  await bench.flow()
  return { bench, pipeline, a }
}

/** The same trigger, handled otherwise. */
function changed(trigger: TriggerManifest): TriggerManifest {
  return { ...trigger, delivery: { ...trigger.delivery, retry: trigger.delivery.retry + 1 } }
}

describe('Pipeline.apply', () => {
  it('adds triggers under a load that goes on undisturbed', async (t) => {
    const { bench, pipeline, a } = await underLoad(t)
    const b = bench.trigger('b', {
      startFrom: 'earliest',
      subscriber: { kind: 'function', name: 'two' },
    })
    const c = bench.trigger('c')
    const change = await pipeline.apply(bench.topology({ ...a }, b, c))
    assert.deepEqual(change, {
      added: ['live/b', 'live/c'],
      changed: [],
      removed: [],
      brokersAdded: [],
      brokersRemoved: [],
    })
    await bench.endLoad()
    const after = await bench.send(100)
    await bench.assertOnceInOrder('a', bench.sent)
    await bench.assertOnceInOrder('b', bench.sent)
    await bench.handledAll('c', after)
    await bench.assertOnceInOrder('c', bench.idsOf('c'))
    for (const name of ['a', 'b', 'c']) await bench.assertBooks(name)
  })

  it('removes a trigger, commits what it has done, and leaves the others alone', async (t) => {
    const { bench, pipeline, a } = await underLoad(t)
    const b = bench.trigger('b')
    await pipeline.apply(bench.topology(a, b))
    await bench.flow()
    const { removed } = await pipeline.apply(bench.topology(a))
    assert.deepEqual(removed, ['live/b'])
    const [handled, committed] = [bench.idsOf('b').length, await bench.committed('b')]
    await bench.flow()
    await bench.endLoad()
    await bench.assertOnceInOrder('a', bench.sent)
    assert.equal(bench.idsOf('b').length, handled)
    assert.equal(await bench.committed('b'), committed)
    assert.ok(pipeline.consumer.states().every(({ trigger }) => trigger === 'live/a'))
    await bench.assertBooks('b')
    await pipeline.apply(bench.topology(a, b))
    const last = bench.sent.at(-1) as string
    await bench.handledAll('b', [last])
    await bench.assertOnceInOrder('b', bench.idsOf('b'))
  })

  it('goes on with a changed trigger where it stood, each event once', async (t) => {
    const { bench, pipeline, a } = await underLoad(t)
    let latest = a
    for (let turn = 0; turn < 3; turn++) {
      latest = changed(latest)
      const { changed: names } = await pipeline.apply(bench.topology(latest))
      assert.deepEqual(names, ['live/a'])
      await bench.flow()
    }
    await bench.endLoad()
    await bench.assertOnceInOrder('a', bench.sent)
    await bench.assertBooks('a')
  })

  it('changes filters from one event to the next, without another cursor', async (t) => {
    const { bench, pipeline, a } = await underLoad(t, { filters: [{ exact: { type: 'in' } }] })
    const cursors = pipeline.consumer.states().length
    const both = {
      ...a,
      filters: [{ any: [{ exact: { type: 'in' } }, { exact: { type: 'too' } }] }],
    }
    const { changed: names } = await pipeline.apply(bench.topology(both as TriggerManifest))
    assert.deepEqual(names, ['live/a'])
    assert.equal(pipeline.consumer.states().length, cursors)
    await bench.flow()
    await bench.endLoad()
    await bench.send(20, { type: 'too' })
    await bench.assertOnceInOrder('a', bench.sent)
    await pipeline.apply(bench.topology({ ...a, filters: [{ exact: { type: 'too' } }] }))
    const before = [...bench.sent]
    await bench.send(20)
    const wanted = await bench.send(20, { type: 'too' })
    await bench.assertOnceInOrder('a', [...before, ...wanted])
  })

  it('takes a flow that changed for a change of the triggers that lead into it', async (t) => {
    const bench = await LiveBench.open(t)
    const channel = 'knative-messaging-kafka.live.s-kn-sequence-0'
    const a = bench.trigger('a', {
      subscriber: { kind: 'pass' },
      reply: { kind: 'channel', channel },
    })
    const b = bench.trigger('b')
    const flow = (...names: string[]): FlowManifest => ({
      name: 'live/s',
      kind: 'Sequence',
      entry: channel,
      steps: names.map((name) => ({
        namespace: 'live',
        name: `step-${name}`,
        channel,
        subscriber: { kind: 'function', name },
        delivery: a.delivery,
        reply: { kind: 'none' },
      })),
    })
    const topology = { ...bench.topology(a, b), flows: [flow('one')] }
    const pipeline = await bench.pipeline(topology)
    await bench.send(10)
    await bench.handledAll('step-one', bench.sent)
    const { changed: names } = await pipeline.apply({ ...topology, flows: [flow('one', 'two')] })
    assert.deepEqual(names, ['live/a'])
    const after = await bench.send(10)
    await bench.handledAll('step-two', after)
    await bench.assertOnceInOrder('step-one', bench.sent)
    assert.deepEqual(new Set(bench.idsOf('step-two')), new Set(after))
    await bench.assertBooks('a')
    const circle = { ...flow('one'), steps: [{ ...flow('one').steps[0], reply: a.reply }] }
    await assert.rejects(
      pipeline.apply({ ...topology, flows: [circle as FlowManifest] }),
      (error) => isMillraceError(error, 'FN_CONFIG_INVALID'),
    )
    const last = await bench.send(5)
    await bench.handledAll('step-two', last)
  })

  it('gives what runs a second, and only that runs again in the changed trigger', async (t) => {
    const bench = await LiveBench.open(t)
    const a = bench.trigger('a')
    const pipeline = await bench.pipeline(bench.topology(a))
    bench.handle = ({ event }) => {
      if (event.attributes.id === 'k4-4') return delay(400).then(() => [])
      if (event.attributes.id !== 'k3-3' || bench.countOf('a', 'k3-3') > 1) return []
      return new Promise(() => {})
    }
    const ids = await bench.send(200)
    await bench.handledAll(
      'a',
      ids.filter((id) => !/^k[34]-/.test(id) || id === 'k3-3' || id === 'k4-4'),
    )
    const startedAt = performance.now()
    await pipeline.apply(bench.topology(changed(a)))
    assert.ok(performance.now() - startedAt < 1_900)
    await bench.handledAll('a', ids)
    for (const id of ids) assert.equal(bench.countOf('a', id), id === 'k3-3' ? 2 : 1, id)
    await eventually(() => bench.assertBooks('a').then(() => true), 'the books are even')
  })

  it('serves a broker that comes, and no longer one that goes', async (t) => {
    const { bench, pipeline, a } = await underLoad(t)
    const b = bench.trigger('b', { broker: 'bills' })
    const topology = bench.topology(a, b)
    topology.brokers = topology.brokers.map((one) =>
      one.name === 'live/bills' ? { ...one, partitions: 2 } : one,
    )
    const { address, port } = await pipeline.ingress.listen({ host: '127.0.0.1', port: 0 })
    const post = async (id: string): Promise<number> => {
      const response = await fetch(`http://${address}:${port}/live/bills`, {
        method: 'POST',
        headers: { 'ce-specversion': '1.0', 'ce-id': id, 'ce-source': '/t', 'ce-type': 't' },
      })
      return response.status
    }
    assert.equal(await post('early'), 404)
    const { brokersAdded } = await pipeline.apply(topology)
    assert.deepEqual(brokersAdded, ['live/bills'])
    assert.equal((await bench.broker.topics([b.topic]))[0]?.partitions, 2)
    assert.equal(await post('k0-1'), 202)
    await bench.handledAll('b', ['k0-1'])
    assert.deepEqual(bench.idsOf('b'), ['k0-1'])
    await pipeline.apply(bench.topology(a))
    assert.equal(await post('late'), 404)
    await bench.endLoad()
    await bench.assertOnceInOrder('a', bench.sent)
  })

  it('takes 200 triggers at once within two seconds', async (t) => {
    const { bench, pipeline, a } = await underLoad(t)
    const many = Array.from({ length: 200 }, (_, i) =>
      bench.trigger(`t${i}`, { filters: [{ exact: { type: `t${i}` } }] }),
    )
    const startedAt = performance.now()
    await pipeline.apply(bench.topology(a, ...many))
    const [id] = await bench.send(1, { type: 't199' })
    await bench.handledAll('t199', [id as string])
    const tookMs = performance.now() - startedAt
    t.diagnostic(`first event of the last of 200 triggers after ${Math.round(tookMs)} ms`)
    assert.ok(tookMs < 2_000, `${tookMs} ms`)
    await bench.endLoad()
    await bench.assertOnceInOrder('a', bench.sent)
  })

  it('handles an event of a new trigger at once', async (t) => {
    const { bench, pipeline, a } = await underLoad(t)
    const startedAt = performance.now()
    await pipeline.apply(
      bench.topology(a, bench.trigger('b', { filters: [{ exact: { type: 'b' } }] })),
    )
    const applied = performance.now()
    const [id] = await bench.send(1, { type: 'b' })
    await bench.handledAll('b', [id as string])
    t.diagnostic(
      `applied after ${Math.round(applied - startedAt)} ms, first event handled after ${Math.round(performance.now() - startedAt)} ms`,
    )
    await bench.endLoad()
    await bench.assertOnceInOrder('a', bench.sent)
  })

  it('works off changes that come while others are under way, the last one last', async (t) => {
    const { bench, pipeline, a } = await underLoad(t)
    const b = bench.trigger('b', { startFrom: 'earliest' })
    await Promise.all([
      pipeline.apply(bench.topology(a, b)),
      pipeline.apply(bench.topology(changed(a))),
      pipeline.apply(bench.topology(changed(a), changed(b))),
    ])
    assert.deepEqual(pipeline.topology, bench.topology(changed(a), changed(b)))
    await bench.endLoad()
    await bench.assertOnceInOrder('a', bench.sent)
    await bench.assertOnceInOrder('b', bench.sent)
  })

  it('leaves everything as it was when something cannot be opened', async (t) => {
    const { bench, pipeline, a } = await underLoad(t)
    const before = pipeline.topology
    const nobody = bench.trigger('b', { subscriber: { kind: 'function', name: 'nobody' } })
    await assert.rejects(pipeline.apply(bench.topology(changed(a), nobody)), /nobody/)
    const nonsense = bench.trigger('c', { filters: [{ odd: {} }] as never })
    await assert.rejects(pipeline.apply(bench.topology(nonsense)), (error) =>
      isMillraceError(error, 'FN_FILTER_INVALID'),
    )
    assert.equal(pipeline.topology, before)
    assert.equal(pipeline.disabled.size, 0)
    await bench.flow()
    await bench.endLoad()
    await bench.assertOnceInOrder('a', bench.sent)
    assert.deepEqual([...new Set(bench.handled.map(({ trigger }) => trigger))], ['live/a'])
    await pipeline.apply(bench.topology(a, bench.trigger('b')))
  })

  it('disables a function that does not load, and only that', async (t) => {
    const { bench, pipeline, a } = await underLoad(t)
    const broken = bench.trigger('b', { subscriber: { kind: 'function', name: 'broken' } })
    await pipeline.apply(bench.topology(a, broken))
    assert.deepEqual([...pipeline.disabled.keys()], ['broken'])
    await pipeline.apply(bench.topology(a))
    assert.deepEqual([...pipeline.disabled.keys()], [])
    await bench.endLoad()
    await bench.assertOnceInOrder('a', bench.sent)
  })

  it('closes a function with the last trigger or step that leads to it', async (t) => {
    const { bench, pipeline, a } = await underLoad(t)
    const channel = 'knative-messaging-kafka.live.s-kn-sequence-0'
    const two = { kind: 'function', name: 'two' } as const
    const b = bench.trigger('b', { reply: { kind: 'channel', channel } })
    const c = bench.trigger('c', { subscriber: two })
    const flow: FlowManifest = {
      name: 'live/s',
      kind: 'Sequence',
      entry: channel,
      steps: [
        {
          namespace: 'live',
          name: 'step',
          channel,
          subscriber: two,
          delivery: a.delivery,
          reply: { kind: 'none' },
        },
      ],
    }
    const open = (): string[] => bench.pools.flatMap(({ functions }) => functions).toSorted()
    await pipeline.apply({ ...bench.topology(a, b, c), flows: [flow] })
    assert.deepEqual(open(), ['one', 'two'])
    await pipeline.apply({ ...bench.topology(a, b), flows: [flow] })
    assert.deepEqual(open(), ['one', 'two'], 'a step leads to it')
    await bench.flow()
    await pipeline.apply(bench.topology(a))
    await eventually(() => open().join() === 'one', 'only one function is open')
    await pipeline.apply(bench.topology(a, c))
    assert.deepEqual(open(), ['one', 'two'])
    await bench.flow()
    await bench.endLoad()
    await bench.assertOnceInOrder('a', bench.sent)
    await bench.handledAll('c', bench.sent.slice(-1))
    for (const name of ['a', 'b', 'c']) await bench.assertBooks(name)
  })

  it('closes what it had opened for a change that fails', async (t) => {
    const bench = await LiveBench.open(t)
    const a = bench.trigger('a')
    const pipeline = await bench.pipeline(bench.topology(a))
    const two = bench.trigger('b', { subscriber: { kind: 'function', name: 'two' } })
    const nobody = bench.trigger('c', { subscriber: { kind: 'function', name: 'nobody' } })
    await assert.rejects(pipeline.apply(bench.topology(a, two, nobody)), /nobody/)
    const [pool] = bench.pools
    assert.deepEqual([pool?.functions, pool?.opened], [['one'], 2])
  })

  it('tries a function that did not load once for each change', async (t) => {
    const bench = await LiveBench.open(t)
    const a = bench.trigger('a')
    const pipeline = await bench.pipeline(bench.topology(a))
    const broken = ['b', 'c', 'd'].map((name) =>
      bench.trigger(name, { subscriber: { kind: 'function', name: 'broken' } }),
    )
    const [pool] = bench.pools
    await pipeline.apply(bench.topology(a, ...broken))
    assert.equal(pool?.opened, 2)
    await pipeline.apply(bench.topology(a, ...broken.map(changed)))
    assert.equal(pool?.opened, 3)
  })

  it('begins with the first trigger that comes', async (t) => {
    const bench = await LiveBench.open(t)
    const pipeline = await bench.pipeline(bench.topology())
    const a = bench.trigger('a')
    await pipeline.apply(bench.topology(a))
    await bench.send(50)
    await bench.assertOnceInOrder('a', bench.sent)
    await pipeline.apply(bench.topology())
    await pipeline.apply(bench.topology(changed(a)))
    await bench.send(50)
    await bench.assertOnceInOrder('a', bench.sent)
  })

  it('changes triggers while partitions move between two processes', async (t) => {
    const { bench, pipeline, a } = await underLoad(t)
    const opening = bench.pipeline(bench.topology(a))
    const b = bench.trigger('b', { startFrom: 'earliest' })
    await pipeline.apply(bench.topology(changed(a), b))
    const second = await opening
    await second.apply(bench.topology(changed(a), b))
    const next = [second, pipeline].map((one) => one.apply(bench.topology(a, changed(b))))
    const third = bench.pipeline(bench.topology(a, changed(b)))
    await Promise.all([...next, third])
    await bench.flow()
    await bench.endLoad()
    await bench.assertOnceInOrder('a', bench.sent)
    await bench.assertOnceInOrder('b', bench.sent)
  })
})

describe('Pipeline.apply with exactlyOnce', () => {
  it('changes and adds triggers whose output and progress are one', async (t) => {
    const bench = await LiveBench.open(t)
    const once = (name: string, retry = 5): TriggerManifest => {
      const trigger = bench.trigger(name, {
        startFrom: 'earliest',
        filters: [{ exact: { type: 'in' } }],
      })
      return { ...trigger, delivery: { ...trigger.delivery, exactlyOnce: true, retry } }
    }
    bench.handle = ({ trigger }) => [{ attributes: { type: `of ${trigger}` }, data: undefined }]
    const plain = bench.trigger('p', { filters: [{ exact: { type: 'in' } }] })
    const pipeline = await bench.pipeline(bench.topology(plain))
    bench.startLoad()
    t.after(() => bench.endLoad())
    await bench.flow()
    await pipeline.apply(bench.topology(plain, once('x')))
    await bench.flow()
    await pipeline.apply(bench.topology(plain, once('x', 6), once('y')))
    await bench.flow()
    await bench.endLoad()
    for (const name of ['p', 'x', 'y']) await bench.handledAll(name, bench.sent)
    await bench.assertOnceInOrder('p', bench.sent)
    const causes = await bench.repliesOf(['x', 'y'], bench.sent.length * 2)
    assert.deepEqual(causes.toSorted(), [...bench.sent, ...bench.sent].toSorted())
  })
})
