/** Lanes that two channels of one trigger share: the broker's topic, and replayed events beside it. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { DeliveryChannel } from '../../../runtime/contract/delivery.ts'
import { bench, type Bench } from '../../support/delivery-bench.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'
import { done, failed } from '../../support/scripted-runner.ts'
import { eventNamed, recordAt } from '../../support/test-cursor.ts'

interface Replay {
  channel: DeliveryChannel
  send: (id: string, key?: string) => void
}

/** A channel beside the bench's own; what it settles goes to the bench's list. */
function beside(b: Bench): Replay {
  let offset = 0
  const channel = b.delivery.open({
    trigger: sampleTrigger('orders'),
    topic: 'orders.retry',
    partition: 0,
    beside: b.channel,
    onWaiting: () => {},
    onSettled: (record, outcome) => b.settled.push(`${record.value?.toString()}:${outcome}`),
  })
  const send: Replay['send'] = (id, key) => {
    const record = recordAt(offset++, Date.now())
    const keyed = { ...record, key: key === undefined ? null : Buffer.from(key) }
    channel.deliver({ ...keyed, value: Buffer.from(id) }, eventNamed(id))
  }
  return { channel, send }
}

function both(t: TestContext): { b: Bench; replay: Replay } {
  const b = bench(t)
  return { b, replay: beside(b) }
}

/** Until the event is in the function's hands, and then ends it. */
async function finish(b: Bench, id: string): Promise<void> {
  await b.turn()
  b.delivery.take([done(b.runner.take(id))])
  await b.turn()
}

describe('Turns, between a channel and one beside it', () => {
  it('make one lane of a key, in both directions', async (t) => {
    const { b, replay } = both(t)
    b.send('a1', 'a')
    await b.turn()
    replay.send('a2', 'a')
    replay.send('b1', 'b')
    await b.turn()
    b.send('a3', 'a')
    b.send('b2', 'b')
    await b.turn()
    const inHand = (): string[] => ['a1', 'a2', 'a3', 'b1', 'b2'].filter((id) => b.runner.has(id))
    assert.deepEqual(inHand(), ['a1', 'b1'])
    await finish(b, 'a1')
    await finish(b, 'b1')
    assert.deepEqual(inHand(), ['a2', 'a3', 'b2']) // one run of the lane, in order
    assert.deepEqual(b.runner.submitted.map((item) => item.event.attributes.id).slice(0, 2), [
      'a2',
      'a3',
    ])
  })

  it('let a failed event hold later ones of its key in both', async (t) => {
    const { b, replay } = both(t)
    replay.send('a1', 'a')
    await b.turn()
    b.delivery.take([failed(b.runner.take('a1'))])
    b.send('a2', 'a')
    b.send('c1', 'c')
    await b.turn()
    assert.deepEqual(
      [b.runner.has('a1'), b.runner.has('a2'), b.runner.has('c1')],
      [false, false, true],
    )
    assert.deepEqual([b.channel.waiting, replay.channel.waiting], [1, 1])
    t.mock.timers.tick(60_000)
    await b.turn()
    assert.deepEqual([b.channel.waiting, replay.channel.waiting], [0, 0])
    await finish(b, 'a1')
    await finish(b, 'a2')
    assert.deepEqual(b.settled, ['a1:acked', 'a2:acked'])
  })

  for (const which of ['the channel itself', 'the one beside it'] as const) {
    it(`closing ${which} keeps the other going`, async (t) => {
      const { b, replay } = both(t)
      const [closing, staying] = which === 'the channel itself' ? [b, replay] : [replay, b]
      closing.send('waits', 'w')
      await b.turn()
      b.delivery.take([failed(b.runner.take('waits'))])
      staying.send('w2', 'w')
      closing.send('runs', 'r')
      await b.turn()
      staying.send('r2', 'r')
      closing.send('q', 'q')
      staying.send('q2', 'q')
      closing.channel.close()
      await b.turn()
      assert.equal(b.runner.has('r2'), false) // the lane's run is still out
      b.delivery.take([done(b.runner.take('runs'))])
      await b.turn()
      assert.deepEqual(
        ['r2', 'q', 'q2', 'w2'].filter((id) => b.runner.has(id)),
        ['r2', 'q2'],
      )
      assert.equal(staying.channel.waiting, 1)
      t.mock.timers.tick(60_000)
      await b.turn()
      assert.equal(staying.channel.waiting, 0)
      for (const id of ['r2', 'q2', 'w2']) await finish(b, id)
      assert.deepEqual(b.settled.toSorted(), ['q2:acked', 'r2:acked', 'w2:acked'])
      // Their keys begin afresh.
      staying.send('w3', 'w')
      await finish(b, 'w3')
      assert.equal(b.settled.at(-1), 'w3:acked')
    })
  }

  it('forget a wait that nobody is left for, so that the key does not wait for nothing', async (t) => {
    const { b, replay } = both(t)
    replay.send('a1', 'a')
    await b.turn()
    b.delivery.take([failed(b.runner.take('a1'))])
    replay.channel.close()
    b.send('a2', 'a')
    await finish(b, 'a2')
    assert.deepEqual(b.settled, ['a2:acked'])
    t.mock.timers.tick(60_000)
    await b.turn()
    assert.equal(b.channel.waiting, 0)
  })

  it('give events without a key a lane of their own in each', async (t) => {
    const { b, replay } = both(t)
    b.send('x1')
    replay.send('x2')
    await b.turn()
    b.delivery.take([failed(b.runner.take('x1')), failed(b.runner.take('x2'))])
    replay.channel.close()
    t.mock.timers.tick(60_000)
    await b.turn()
    assert.deepEqual([b.runner.has('x1'), b.runner.has('x2')], [true, false])
  })
})
