/** What waits for a retry at a step of a flow, and with it all that stands behind it, counts as waiting. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deadLetterTopic, retryTopic } from '../../../runtime/broker/names.ts'
import { decodeRecord } from '../../../runtime/codec/record.ts'
import type { WorkItem } from '../../../runtime/contract/work.ts'
import { retryRecord } from '../../../runtime/dlq/retry-record.ts'
import { flowBench, logRecord, ONCE, TWICE, type FlowBench } from '../../support/flow-bench.ts'
import { into, parallel, sequence } from '../../support/sample-flow.ts'
import { again, done, failed, replyOf } from '../../support/scripted-runner.ts'

/** Answers all that a subscriber has, with a reply of the type that the event had: `in` becomes its id. */
async function passOn(b: FlowBench, of: string): Promise<void> {
  const items = b.runner(of).submitted.splice(0)
  const typed = ({ event: { attributes } }: WorkItem): string =>
    attributes.type === 'in' ? attributes.id : attributes.type
  await b.answer(
    of,
    items.map((item) => done(item, [replyOf(typed(item))])),
  )
}

/** As an isolate answers when the first event of each lane fails. */
async function failFirst(b: FlowBench, of: string): Promise<void> {
  const lanes = new Set<number>()
  const items = b.runner(of).submitted.splice(0)
  await b.answer(
    of,
    items.map((item) => {
      if (lanes.has(item.lane)) return again(item)
      lanes.add(item.lane)
      return failed(item)
    }),
  )
}

async function drain(b: FlowBench, steps: readonly string[], count: number): Promise<void> {
  while (b.settled.length < count) {
    const before = b.settled.length
    for (const step of steps) await passOn(b, step)
    assert.ok(b.settled.length > before, `${before} of ${count} have ended`)
  }
}

describe('an event that waits at a step', () => {
  const flow = sequence('s', [
    { subscriber: 'a' },
    { subscriber: 'b' },
    { subscriber: 'c', delivery: TWICE },
  ])

  it('makes all that its key has read wait, and no other key', async (t) => {
    const b = await flowBench(t, into(flow), [flow])
    for (let n = 0; n < 2_000; n++) b.send(`k${n}`, 'k')
    b.send('other', 'o')
    await b.turn()
    for (const step of ['a', 'b']) await passOn(b, step)
    assert.equal(b.channel.waiting, 0)
    const other = b.runner('c').submitted.find(({ event }) => event.attributes.type === 'other')
    assert.ok(other !== undefined)
    await b.answer('c', [done(b.runner('c').take(other.event.attributes.id))])
    await failFirst(b, 'c')
    assert.deepEqual(b.settled, ['other:acked'])
    assert.equal(b.channel.waiting, 2_000)
    b.send('late', 'k')
    assert.equal(b.channel.waiting, 2_001)
    b.send('alone')
    assert.equal(b.channel.waiting, 2_001)
    t.mock.timers.tick(1_000)
    await b.turn()
    assert.equal(b.channel.waiting, 0)
    await drain(b, ['a', 'b', 'c'], 2_003)
    const ofKey = b.settled.filter((line) => !/other|alone/.test(line))
    assert.deepEqual(
      ofKey.map((line) => line.split(':')[0]),
      [...Array.from({ length: 2_000 }, (_, n) => `k${n}`), 'late'],
    )
    assert.equal(b.channel.waiting, 0)
  })

  it('makes those of its run wait that ended at a step before, or have to run there again', async (t) => {
    const b = await flowBench(t, into(flow), [flow])
    for (const id of ['first', 'silent', 'again']) b.send(id, 'k')
    await b.turn()
    const { runner } = b
    await b.answer('a', [
      done(runner('a').take('first'), [replyOf('first')]),
      done(runner('a').take('silent')),
      again(runner('a').take('again')),
    ])
    await passOn(b, 'b')
    await failFirst(b, 'c')
    assert.equal(b.channel.waiting, 3)
    t.mock.timers.tick(1_000)
    await b.turn()
    assert.equal(b.channel.waiting, 0)
    await drain(b, ['c', 'a', 'b'], 3)
    assert.deepEqual(b.settled, ['first:acked', 'silent:acked', 'again:acked'])
    assert.equal(b.channel.waiting, 0)
  })

  it('no longer counts what ends before it', async (t) => {
    const b = await flowBench(t, into(flow), [flow])
    for (const id of ['first', 'second', 'third']) b.send(id, 'k')
    await b.turn()
    for (const step of ['a', 'b']) await passOn(b, step)
    const [first, second, third] = b.runner('c').submitted.splice(0)
    assert.ok(first !== undefined && second !== undefined && third !== undefined)
    await b.answer('c', [done(first, [replyOf('first')]), failed(second), again(third)])
    assert.deepEqual(b.settled, ['first:acked'])
    assert.equal(b.channel.waiting, 2)
    t.mock.timers.tick(1_000)
    await b.turn()
    assert.equal(b.channel.waiting, 0)
    await drain(b, ['c'], 3)
    b.send('fourth', 'k')
    assert.equal(b.channel.waiting, 0)
  })

  it('counts once, however many branches it waits in', async (t) => {
    const branch = { delivery: TWICE }
    const both = parallel('p', [
      { ...branch, subscriber: 'a' },
      { ...branch, subscriber: 'b' },
    ])
    const b = await flowBench(t, into(both), [both])
    for (const id of ['e1', 'e2']) b.send(id, id)
    await b.turn()
    await b.answer('a', [failed(b.runner('a').take('e1'))])
    await b.answer('b', [failed(b.runner('b').take('e1'))])
    assert.equal(b.channel.waiting, 1)
    t.mock.timers.tick(1_000)
    await b.turn()
    await passOn(b, 'a')
    await b.answer('b', [failed(b.runner('b').take('e2'))])
    assert.equal(b.channel.waiting, 1)
  })

  it('counts when it came back to its step as a dead letter', async (t) => {
    const failing = sequence('s', [
      { subscriber: 'a', delivery: ONCE },
      { subscriber: 'b', delivery: TWICE },
    ])
    const b = await flowBench(t, into(failing), [failing])
    b.send('e1', 'k')
    await b.turn()
    await b.answer('a', [failed(b.runner('a').take('e1'))])
    const topic = retryTopic(b.trigger.group)
    const letters = deadLetterTopic(b.trigger.group)
    const [letter] = b.log
    assert.ok(letter !== undefined)
    const record = logRecord(
      retryRecord(`${letters}/0/0`, logRecord(letter.record, 0), { topic, partitions: 1 }),
      7,
    )
    const replays = b.open(topic, 0, b.channel)
    replays.deliver(record, decodeRecord(record))
    await b.turn()
    await passOn(b, 'a')
    await failFirst(b, 'b')
    assert.deepEqual([replays.waiting, b.channel.waiting], [1, 0])
    t.mock.timers.tick(1_000)
    await b.turn()
    assert.equal(replays.waiting, 0)
    await passOn(b, 'b')
    assert.deepEqual(b.settled, ['e1:acked', 'undefined:acked'])
  })

  it('says so, for the reader that stopped because of it', async (t) => {
    const b = await flowBench(t, into(flow), [flow])
    b.send('e1', 'k')
    await b.turn()
    for (const step of ['a', 'b']) await passOn(b, step)
    assert.deepEqual(b.waits, [])
    await failFirst(b, 'c')
    assert.deepEqual(b.waits, [1])
  })
})
