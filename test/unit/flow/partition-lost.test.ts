import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { flowBench, TWICE, type FlowBench } from '../../support/flow-bench.ts'
import { into, sequence } from '../../support/sample-flow.ts'
import { done, failed, replyOf } from '../../support/scripted-runner.ts'

const FLOW = sequence('s', [{ subscriber: 'a' }, { subscriber: 'b', delivery: TWICE }])

async function atSecond(b: FlowBench): Promise<string> {
  b.send('e1', 'k')
  await b.turn()
  await b.answer('a', [done(b.runner('a').take('e1'), [replyOf('priced')])])
  return b.runner('b').submitted[0]?.event.attributes.id as string
}

describe('a flow whose partition goes', () => {
  it('discards what is on its way through the steps', async (t) => {
    const b = await flowBench(t, into(FLOW), [FLOW])
    const id = await atSecond(b)
    b.channel.close()
    await b.answer('b', [done(b.runner('b').take(id), [replyOf('shipped')])])
    assert.deepEqual([b.settled.length, b.log.length, b.channel.waiting], [0, 0, 0])
    const text = await b.metrics.render()
    assert.ok(
      text.includes(
        'millrace_outcomes_total{trigger="events/s-kn-sequence-1",outcome="returned"} 1',
      ),
    )
    assert.ok(text.includes('millrace_in_flight{trigger="events/s-kn-sequence-1"} 0'))
  })

  it('drops a retry that waits at a step', async (t) => {
    const b = await flowBench(t, into(FLOW), [FLOW])
    const id = await atSecond(b)
    await b.answer('b', [failed(b.runner('b').take(id))])
    assert.equal(b.channel.waiting, 1)
    b.channel.close()
    t.mock.timers.tick(10_000)
    await b.turn()
    assert.deepEqual(b.runner('b').submitted, [])
    assert.equal(b.channel.waiting, 0)
  })

  it('does not wait for a retry at a step, only for what runs and what is being written', async (t) => {
    const b = await flowBench(t, into(FLOW), [FLOW])
    const id = await atSecond(b)
    b.delivery.pause()
    let idle = false
    let settled: string[] = []
    const whenIdle = b.delivery.idle().then(() => {
      idle = true
      settled = [...b.settled]
    })
    await b.turn()
    assert.equal(idle, false, 'the step runs')
    await b.answer('b', [failed(b.runner('b').take(id))])
    await whenIdle
    assert.equal(b.channel.waiting, 1)
    assert.deepEqual(settled, [])
  })

  it('has ended what was being written when it is idle', async (t) => {
    const b = await flowBench(t, into(FLOW), [FLOW])
    const id = await atSecond(b)
    b.delivery.pause()
    let settled: string[] = []
    const whenIdle = b.delivery.idle().then(() => (settled = [...b.settled]))
    await b.answer('b', [done(b.runner('b').take(id), [replyOf('shipped')])])
    await whenIdle
    assert.deepEqual(settled, ['e1:acked'])
  })

  it('lets nothing new start at any step while it is paused or held', async (t) => {
    const b = await flowBench(t, into(FLOW), [FLOW])
    b.send('e1', 'k')
    await b.turn()
    for (const [stop, go] of [
      [() => b.delivery.pause(), () => b.delivery.resume()],
      [() => b.delivery.hold(true), () => b.delivery.hold(false)],
    ] as const) {
      stop()
      const [item] = b.runner('a').submitted.splice(0)
      if (item === undefined) throw new Error('nothing to answer')
      await b.answer('a', [done(item, [replyOf('priced')])])
      assert.deepEqual(b.runner('b').submitted, [])
      go()
      await b.turn()
      assert.equal(b.runner('b').submitted.length, 1)
      const [next] = b.runner('b').submitted.splice(0)
      await b.answer('b', [done(next as NonNullable<typeof next>)])
      b.send('e2', 'k')
      await b.turn()
    }
  })

  it('makes the same events again from the log, with the same ids', async (t) => {
    const ids: string[][] = []
    for (let round = 0; round < 2; round++) {
      t.mock.timers.reset()
      const b = await flowBench(t, into(FLOW), [FLOW])
      const id = await atSecond(b)
      if (round === 0) b.channel.close()
      await b.answer('b', [done(b.runner('b').take(id), [replyOf('shipped'), replyOf('billed')])])
      ids.push([id, ...b.log.map(({ event }) => event.attributes.id)])
    }
    const [lost, again] = ids as [string[], string[]]
    assert.equal(lost.length, 1)
    assert.equal(again.length, 3)
    assert.equal(lost[0], again[0])
    assert.equal(new Set(again).size, 3)
  })
})
