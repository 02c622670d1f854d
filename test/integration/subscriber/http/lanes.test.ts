import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { WorkItem } from '../../../../runtime/contract/work.ts'
import { eventually } from '../../../support/eventually.ts'
import {
  closedPort,
  openRunner,
  startSubscriber,
  workItem,
  type TestSubscriber,
} from '../../../support/http-subscriber.ts'

test('lanes keep their order, triggers their bounds, and every item has one result', async (t) => {
  const running = new Map<string, string[]>()
  let served: Array<{ lane: string; id: number }> = []
  let bound = 1
  let turn = 0
  const subscriber = await startSubscriber(t, (response, { headers }) => {
    const [trigger = '', lane = '', id, status] = String(headers['ce-subject']).split('|')
    const now = running.get(trigger) ?? []
    assert.ok(!now.includes(lane), 'one of a lane at a time')
    now.push(lane)
    assert.ok(now.length <= bound, 'no more of a trigger than it may have')
    running.set(trigger, now)
    served.push({ lane: `${trigger} ${lane}`, id: Number(id) })
    // Answers change places without a clock.
    const wait = (turns: number): void => {
      if (turns > 0) return void setImmediate(() => wait(turns - 1))
      now.splice(now.indexOf(lane), 1)
      response.writeHead(Number(status)).end()
    }
    wait((turn++ * 7) % 5)
  })
  const { deliver, results, runner } = openRunner(t, subscriber)
  const given = fc.array(
    fc.record({
      trigger: fc.constantFrom('a/t', 'a/u'),
      lane: fc.nat(5),
      status: fc.constantFrom(200, 200, 200, 500),
    }),
    { minLength: 1, maxLength: 40 },
  )
  await fc.assert(
    fc.asyncProperty(given, fc.integer({ min: 1, max: 5 }), async (rows, concurrency) => {
      bound = concurrency
      served = []
      results.length = 0
      const items = rows.map(({ trigger, lane, status }) =>
        laneItem(trigger, lane, status, concurrency),
      )
      await deliver(...items)
      assert.equal(results.length, items.length)
      assert.deepEqual(runner.inFlight(), { items: 0, bytes: 0 })
      const statuses = new Map(results.map(({ id, status }) => [id, status]))
      assert.equal(statuses.size, items.length)
      for (const lane of new Set(items.map(laneOf))) {
        const ofLane = items.filter((item) => laneOf(item) === lane)
        const failedAt = ofLane.findIndex(fails)
        const expected = ofLane.map((_, i) =>
          failedAt < 0 || i < failedAt ? 'done' : i === failedAt ? 'failed' : 'again',
        )
        assert.deepEqual(
          ofLane.map(({ id }) => statuses.get(id)),
          expected,
        )
        const started = ofLane.filter((_, i) => expected[i] !== 'again').map(({ id }) => id)
        assert.deepEqual(
          served.filter((one) => one.lane === lane).map(({ id }) => id),
          started,
        )
      }
    }),
    { numRuns: 60 },
  )
})

function laneItem(trigger: string, lane: number, status: number, concurrency: number): WorkItem {
  const item = workItem({ trigger, lane, concurrency })
  item.event.attributes.subject = `${trigger}|${lane}|${item.id}|${status}`
  return item
}

function laneOf({ trigger, lane }: WorkItem): string {
  return `${trigger} ${lane}`
}

function fails({ event }: WorkItem): boolean {
  return event.attributes.subject?.endsWith('|500') === true
}

test('as many requests run as may, and not one more', async (t) => {
  const waiting: Array<() => void> = []
  const reached = Promise.withResolvers<void>()
  const subscriber = await startSubscriber(t, (response) => {
    waiting.push(() => response.end())
    if (waiting.length === 8) reached.resolve()
  })
  const { deliver } = openRunner(t, subscriber)
  const items = Array.from({ length: 9 }, () => workItem({ concurrency: 8 }))
  const results = deliver(...items)
  await reached.promise
  assert.equal(waiting.length, 8)
  waiting[0]?.()
  await eventually(() => waiting.length === 9, 'the ninth is sent')
  for (const answer of waiting.slice(1)) answer()
  assert.ok((await results).every(({ status }) => status === 'done'))
})

test('a thousand requests share as many connections as run at once', async (t) => {
  const subscriber = await startSubscriber(t, (response, { body }) =>
    response.end(body.subarray(1)),
  )
  const { deliver, runner } = openRunner(t, subscriber)
  const data = { kind: 'binary', bytes: Buffer.from('x') } as const
  const items = Array.from({ length: 1_000 }, () => {
    const item = workItem({ concurrency: 10 })
    item.event.data = data
    return item
  })
  const results = deliver(...items)
  assert.equal(runner.inFlight().items, 1_000)
  assert.ok(runner.inFlight().bytes >= 1_000)
  assert.ok((await results).every(({ status }) => status === 'done'))
  assert.equal(subscriber.received.length, 1_000)
  // One more may stand in for one that was not yet free again.
  assert.ok(subscriber.connections() <= 12, `${subscriber.connections()} connections`)
})

test('subscribers of one origin share their connections', async (t) => {
  const subscriber = await startSubscriber(t, (response) => response.end())
  const { deliver, subscribers } = openRunner(t, subscriber)
  await deliver(workItem())
  const second = Promise.withResolvers<string>()
  const other = subscribers.open(
    { name: 'events/other', url: `${subscriber.url}other` },
    ([result]) => second.resolve(result?.status ?? ''),
  )
  other.submit([workItem()])
  assert.equal(await second.promise, 'done')
  assert.deepEqual(urlsOf(subscriber), ['/', '/other'])
  assert.equal(subscriber.connections(), 1)
})

function urlsOf({ received }: TestSubscriber): Array<string | undefined> {
  return received.map(({ url }) => url)
}

test('a lane goes on after its failure was given back, on a subscriber that has come up', async (t) => {
  const port = await closedPort()
  const { deliver } = openRunner(t, { url: `http://127.0.0.1:${port}/` })
  const items = [workItem({ lane: 1 }), workItem({ lane: 1 })]
  const statuses = (await deliver(...items)).map(({ status }) => status)
  assert.deepEqual(statuses, ['failed', 'again'])
  const again = (await deliver(...items)).map(({ status }) => status)
  assert.deepEqual(again, ['failed', 'again'])
})
