import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_DELIVERY } from '../../../runtime/contract/manifest.ts'
import { bench } from '../../support/delivery-bench.ts'
import { again, done, failed, replyOf } from '../../support/scripted-runner.ts'

describe('TriggerDelivery', () => {
  it('hands out in one batch what is there', async (t) => {
    const { runner, send, turn } = bench(t)
    for (let i = 0; i < 10; i++) send(`e${i}`, `k${i % 3}`)
    await turn()
    assert.deepEqual(runner.batches, [10])
  })

  it('ends an event without replies at once', async (t) => {
    const { delivery, runner, settled, send, turn } = bench(t)
    send('a')
    await turn()
    delivery.take([done(runner.take('a'))])
    assert.deepEqual(settled, ['a:acked'])
  })

  it('ends an event only when its replies are durable', async (t) => {
    const { delivery, runner, settled, appends, send, turn } = bench(t)
    send('a')
    await turn()
    delivery.take([done(runner.take('a'), [replyOf('x'), replyOf('y')])])
    assert.deepEqual(settled, [])
    assert.deepEqual(
      appends[0]?.records.map(({ value }) => value),
      ['x', 'y'],
    )
    await appends[0]?.answer()
    assert.deepEqual(settled, ['a:acked'])
  })

  it('retries a delivery whose reply could not be published', async (t) => {
    const { delivery, runner, settled, appends, send, turn } = bench(t)
    send('a')
    await turn()
    delivery.take([done(runner.take('a'), [replyOf('x')])])
    await appends[0]?.answer(false)
    assert.equal(runner.has('a'), false)
    t.mock.timers.tick(1_000)
    await turn()
    assert.equal(runner.take('a').attempt, 2)
    assert.deepEqual(settled, [])
  })

  it('holds the key of a failed event and no other key', async (t) => {
    const { delivery, runner, settled, send, turn } = bench(t)
    send('a1', 'a')
    send('b1', 'b')
    await turn()
    send('a2', 'a')
    send('b2', 'b')
    delivery.take([failed(runner.take('a1')), done(runner.take('b1'))])
    await turn()
    assert.equal(runner.has('a2'), false)
    delivery.take([done(runner.take('b2'))])
    t.mock.timers.tick(1_000)
    await turn()
    assert.deepEqual(
      runner.submitted.map((item) => item.event.attributes.id),
      ['a1', 'a2'],
    )
    delivery.take([done(runner.take('a1')), done(runner.take('a2'))])
    assert.deepEqual(settled, ['b1:acked', 'b2:acked', 'a1:acked', 'a2:acked'])
  })

  it('runs again in order what stood behind a failed event', async (t) => {
    const { delivery, runner, send, turn } = bench(t, { ordering: 'partition' })
    for (const id of ['a', 'b', 'c']) send(id)
    await turn()
    const [a, b, c] = [runner.take('a'), runner.take('b'), runner.take('c')]
    delivery.take([failed(a), again(c), again(b)])
    t.mock.timers.tick(1_000)
    await turn()
    assert.deepEqual(
      runner.submitted.map((item) => [item.event.attributes.id, item.attempt]),
      [
        ['a', 2],
        ['b', 1],
        ['c', 1],
      ],
    )
  })

  it('does not run again what is durable because an event behind it failed', async (t) => {
    const { delivery, runner, settled, appends, send, turn } = bench(t)
    send('a1', 'a')
    send('a2', 'a')
    await turn()
    delivery.take([done(runner.take('a1'), [replyOf('r1')]), failed(runner.take('a2'))])
    await appends[0]?.answer()
    assert.deepEqual(settled, ['a1:acked'])
    t.mock.timers.tick(1_000)
    await turn()
    assert.deepEqual(
      runner.submitted.map((item) => [item.event.attributes.id, item.attempt]),
      [['a2', 2]],
    )
  })

  it('does not let a later reply of a lane overtake one that is still being published', async (t) => {
    const { delivery, runner, settled, appends, send, turn } = bench(t)
    send('a1', 'a')
    send('a2', 'a')
    await turn()
    const [first, second] = [runner.take('a1'), runner.take('a2')]
    delivery.take([done(first, [replyOf('r1')])])
    delivery.take([done(second, [replyOf('r2')])])
    assert.equal(appends.length, 1)
    await appends[0]?.answer(false)
    // r1 failed: r2 must not come before it, so a2 runs again behind a1.
    t.mock.timers.tick(1_000)
    await turn()
    assert.deepEqual(
      runner.submitted.map((item) => item.event.attributes.id),
      ['a1', 'a2'],
    )
    assert.equal(appends.length, 1)
    assert.deepEqual(settled, [])
  })

  it('keeps the order of a key when a reply in the middle of a frame is refused', async (t) => {
    const { delivery, runner, settled, appends, send, turn } = bench(t)
    for (const id of ['e1', 'e2', 'e3']) send(id, 'k')
    await turn()
    const [e1, e2, e3] = [runner.take('e1'), runner.take('e2'), runner.take('e3')]
    delivery.take([done(e1, [replyOf('r1')]), done(e2, [replyOf('r2')]), done(e3)])
    assert.deepEqual(settled, [])
    await appends[0]?.answer((record) => record.value !== 'r1')
    t.mock.timers.tick(1_000)
    await turn()
    assert.deepEqual(
      runner.submitted.map((item) => item.event.attributes.id),
      ['e1', 'e2', 'e3'],
    )
    assert.deepEqual(settled, [])
  })

  it('says when events begin to wait, which makes room for others', async (t) => {
    const { delivery, runner, waits, send, turn } = bench(t)
    for (const id of ['e1', 'e2', 'e3']) send(id, 'k')
    await turn()
    const [e1, e2, e3] = [runner.take('e1'), runner.take('e2'), runner.take('e3')]
    delivery.take([failed(e1), again(e2), again(e3)])
    assert.deepEqual(waits, [3])
  })

  it('dead-letters when the retries are used up, and goes on with the lane', async (t) => {
    const { delivery, runner, settled, appends, send, turn } = bench(t)
    send('a1', 'a')
    send('a2', 'a')
    await turn()
    const second = runner.take('a2')
    delivery.take([failed(runner.take('a1')), again(second)])
    t.mock.timers.tick(1_000)
    await turn()
    delivery.take([failed(runner.take('a1')), again(runner.take('a2'))])
    assert.deepEqual(
      appends[0]?.records.map(({ topic, value }) => [topic, value]),
      [['dlq', 'a1']],
    )
    await appends[0]?.answer()
    delivery.take([done(runner.take('a2'))])
    assert.deepEqual(settled, ['a1:deadlettered', 'a2:acked'])
  })

  it('says in the dead letter that the event was too old to be tried again', async (t) => {
    const delivery = { ...DEFAULT_DELIVERY, maxAgeMs: 10_000 }
    const b = bench(t, { delivery })
    b.send('a')
    await b.turn()
    t.mock.timers.tick(3_000)
    b.delivery.take([failed(b.runner.take('a'))])
    t.mock.timers.tick(2_000)
    await b.turn()
    // 5 s old, and the next attempt would come after 4 s more: still in time.
    b.delivery.take([failed(b.runner.take('a'))])
    t.mock.timers.tick(4_000)
    await b.turn()
    b.delivery.take([failed(b.runner.take('a'), { message: 'no stock' })])
    const [letter] = b.letters
    assert.equal(letter?.attempts, 3)
    assert.equal(
      letter.fault.message,
      'not tried again, since the event would be older than maxAge (PT10S) at its next attempt: no stock',
    )
    assert.equal(letter.fault.code, 'FN_HANDLER_THREW')
  })

  it('takes the first failure for the age of an event whose time the log does not know', async (t) => {
    const b = bench(t, { delivery: { ...DEFAULT_DELIVERY, maxAgeMs: 10_000 } })
    t.mock.timers.setTime(1_000_000)
    b.send('a', undefined, -1)
    await b.turn()
    b.delivery.take([failed(b.runner.take('a'))])
    assert.deepEqual(b.letters, [])
    assert.deepEqual(b.waits, [1])
  })

  it('leaves the jitter of a wait to chance', async (t) => {
    const b = bench(t, { delivery: { ...DEFAULT_DELIVERY, jitter: 0.5 } })
    t.mock.method(Math, 'random', () => 0.5)
    b.send('a')
    await b.turn()
    b.delivery.take([failed(b.runner.take('a'))])
    t.mock.timers.tick(1_499)
    await b.turn()
    assert.equal(b.runner.has('a'), false)
    t.mock.timers.tick(1)
    await b.turn()
    assert.equal(b.runner.has('a'), true)
  })

  it('lets a slow event hold its own key and no other', async (t) => {
    const { delivery, runner, settled, send, turn } = bench(t)
    send('slow', 'a')
    await turn()
    for (let i = 0; i < 3; i++) {
      send(`a${i}`, 'a')
      send(`b${i}`, 'b')
      await turn()
      assert.equal(runner.has(`a${i}`), false)
      delivery.take([done(runner.take(`b${i}`))])
    }
    assert.deepEqual(settled, ['b0:acked', 'b1:acked', 'b2:acked'])
    delivery.take([done(runner.take('slow'))])
    await turn()
    assert.deepEqual(
      runner.submitted.map((item) => item.event.attributes.id),
      ['a0', 'a1', 'a2'],
    )
  })

  it('never lets go of an event whose dead letter cannot be written', async (t) => {
    const { delivery, runner, settled, appends, send, turn } = bench(t)
    send('a1', 'a')
    await turn()
    delivery.take([failed(runner.take('a1'), { code: 'FN_HANDLER_INVALID_REPLY' })])
    for (let i = 0; i < 10; i++) {
      await appends[i]?.answer(false)
      t.mock.timers.tick(5_000)
    }
    assert.deepEqual(settled, [])
    await appends[10]?.answer(true)
    assert.deepEqual(settled, ['a1:deadlettered'])
  })

  it('runs a suspect alone and without counting an attempt', async (t) => {
    const { delivery, runner, send, turn } = bench(t, { ordering: 'partition' })
    for (const id of ['a', 'b']) send(id)
    await turn()
    delivery.take([again(runner.take('a'), true), again(runner.take('b'))])
    await turn()
    assert.deepEqual(
      runner.submitted.map(({ event, alone, attempt }) => [event.attributes.id, alone, attempt]),
      [['a', true, 1]],
    )
  })

  it('starts nothing while paused and says when nothing runs', async (t) => {
    const { delivery, runner, appends, send, turn } = bench(t)
    send('a')
    await turn()
    delivery.pause()
    send('b')
    let idle = false
    void delivery.idle().then(() => {
      idle = true
    })
    delivery.take([done(runner.take('a'), [replyOf('x')])])
    await turn()
    assert.equal(idle, false)
    await appends[0]?.answer()
    assert.equal(idle, true)
    assert.equal(runner.has('b'), false)
    delivery.resume()
    await turn()
    assert.equal(runner.has('b'), true)
  })

  it('discards what comes back for a partition that was given up', async (t) => {
    const { delivery, runner, channel, settled, appends, send, turn } = bench(t)
    send('a', 'k')
    send('b', 'k')
    await turn()
    channel.close()
    delivery.take([done(runner.take('a'), [replyOf('x')]), failed(runner.take('b'))])
    t.mock.timers.tick(10_000)
    await turn()
    assert.deepEqual(settled, [])
    assert.deepEqual(appends, [])
    assert.deepEqual(runner.submitted, [])
  })
})
