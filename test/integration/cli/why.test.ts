import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { followEvent } from '../../../cli/why/follow.ts'
import type { LogAccess } from '../../../cli/log-access.ts'
import { readableReport } from '../../../cli/why/readable.ts'
import type { TriggerReport, WhyReport } from '../../../cli/why/report.ts'
import { deadLetterTopic, retryTopic } from '../../../runtime/broker/names.ts'
import { Watermark } from '../../../runtime/consumer/watermark.ts'
import type { CursorState } from '../../../runtime/contract/cursor-state.ts'
import type { Event } from '../../../runtime/contract/event.ts'
import type { DeliveryTrace } from '../../../runtime/contract/history.ts'
import { DEFAULT_DELIVERY } from '../../../runtime/contract/manifest.ts'
import { replayLetters } from '../../../runtime/dlq/replay.ts'
import { deadLetterLog, TRIGGER, type DeadLetterLog } from '../../support/dead-letters.ts'
import { eventually } from '../../support/eventually.ts'
import { logDir, RunningFlow } from '../../support/running-flow.ts'
import { into, parallel } from '../../support/sample-flow.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'

interface Live {
  cursor?: Partial<CursorState>
  trace?: Partial<DeliveryTrace>
}

/** What the log says of the event, and a running runtime if there is one. */
async function why(log: DeadLetterLog, id: string, live?: Live): Promise<WhyReport> {
  const cursor: CursorState = {
    trigger: 'events/orders',
    group: TRIGGER.group,
    topic: TRIGGER.topic,
    partition: 0,
    committed: 0,
    end: 0,
    inFlight: 0,
    attached: true,
    paused: false,
    ...live?.cursor,
  }
  const access = {
    ...log,
    topology: undefined,
    live: live === undefined ? undefined : async () => ({ cursors: [cursor] }),
    delivery:
      live === undefined
        ? undefined
        : async () => (live.trace === undefined ? undefined : { ...TRACE, ...live.trace }),
    close: async () => {},
  }
  const other = { ...sampleTrigger('invoices'), filters: [{ exact: { type: 'invoice' } }] }
  return followEvent(access, { id, triggers: [TRIGGER, other] })
}

const TRACE: DeliveryTrace = {
  trigger: 'events/orders',
  topic: TRIGGER.topic,
  partition: 0,
  offset: 0,
  attempts: [{ attempt: 1, at: 1_000, durationMs: 2, result: 'failed', retryInMs: 500 }],
  outcome: undefined,
  endedAt: undefined,
}

function triggersOf(report: WhyReport): TriggerReport[] {
  assert.ok(report.occurrences !== 'not kept')
  const triggers = report.occurrences[0]?.triggers
  assert.ok(triggers !== undefined && triggers !== 'not kept')
  return triggers
}

async function position(log: DeadLetterLog, id: string, live?: Live): Promise<string | undefined> {
  return triggersOf(await why(log, id, live))[0]?.position.state
}

/** Events e0 to e4 in partition 0, of which the trigger has finished e0, e1 and e3. */
async function halfFinished(t: TestContext): Promise<DeadLetterLog> {
  const log = await deadLetterLog(t)
  for (let i = 0; i < 5; i++) await log.fail({ id: `e${i}` })
  const progress = new Watermark({ offset: 0, metadata: '' })
  for (let offset = 0; offset < 4; offset++) progress.begin(offset)
  for (const offset of [0, 1, 3]) progress.finish(offset)
  progress.advance(4)
  await log.broker.commit(TRIGGER.group, [
    { topic: TRIGGER.topic, partition: 0, ...progress.progress() },
  ])
  return log
}

it('a step that fails in a running flow is where its event ended', async (t) => {
  const once = { ...DEFAULT_DELIVERY, retry: 0 }
  const flow = parallel('p', [
    { subscriber: 'fine' },
    { filter: 'fine', subscriber: 'fails', delivery: once },
  ])
  const trigger = into(flow)
  const running = await RunningFlow.open(t, await logDir(t), {
    topology: { triggers: [trigger], flows: [flow] },
    functions: {
      fine: `export const handler = (event) => ({ type: 'fine', data: event.data })`,
      fails: `export const handler = () => { throw new Error('no') }`,
    },
  })
  await running.send([{ id: 'a', key: 'k' }])
  const { pipeline, log } = running
  const access: LogAccess = {
    ...log,
    topology: undefined,
    live: async () => ({ cursors: pipeline.consumer.states() }),
    delivery: async (query) => pipeline.delivery(query.trigger, query, query.offset),
    close: async () => {},
  }
  const report = await eventually(async () => {
    const found = await followEvent(access, { id: 'a', triggers: [trigger] })
    const occurred = found.occurrences !== 'not kept' && triggersOf(found)[0]?.endedAt !== null
    return occurred ? found : undefined
  }, 'the event has ended')
  const [letter] = report.deadLetters
  assert.ok(letter !== undefined)
  const { outcome, deadLetteredAt } = triggersOf(report)[0] ?? {}
  assert.deepEqual(
    [outcome, deadLetteredAt],
    ['deadlettered', [{ step: 'p-kn-parallel-1', ref: letter.ref }]],
  )
  const { attributes } = (await running.events(deadLetterTopic(trigger.group)))[0] as Event
  assert.equal(attributes['fnstep'], 'p-kn-parallel-1')
  assert.ok(
    readableReport(report).some((line) =>
      line.includes('outcome: dead-lettered at step p-kn-parallel-1 at '),
    ),
  )
})

describe('following an event', () => {
  it('tells what is finished from what waits, by the commit', async (t) => {
    const log = await halfFinished(t)
    const states = []
    for (let i = 0; i < 5; i++) states.push(await position(log, `e${i}`))
    assert.deepEqual(states, ['finished', 'finished', 'waiting', 'finished', 'waiting'])
  })

  it('says "not yet read" only where nothing can have been read', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'a' })
    assert.equal(await position(log, 'a'), 'not yet read', 'the trigger never ran')
    await log.broker.commit(TRIGGER.group, [{ topic: TRIGGER.topic, partition: 0, offset: 0 }])
    assert.equal(await position(log, 'a', { cursor: {} }), 'waiting')
    assert.equal(await position(log, 'a', { cursor: { paused: true } }), 'not yet read')
    assert.equal(await position(log, 'a', { cursor: { paused: true, inFlight: 1 } }), 'waiting')
    const underWay = { cursor: { paused: true }, trace: {} }
    assert.equal(await position(log, 'a', underWay), 'waiting')
    const ended = { trace: { outcome: 'acked', endedAt: 5_000 } } as const
    assert.equal(await position(log, 'a', ended), 'finished', 'its commit is on its way')
  })

  it('shows attempts that are remembered, and says of others that they are not kept', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'a' })
    const [kept] = triggersOf(await why(log, 'a', { trace: {} }))
    assert.deepEqual([kept?.attempts, kept?.outcome], [TRACE.attempts, 'under way'])
    for (const live of [undefined, {}]) {
      const [forgotten] = triggersOf(await why(log, 'a', live))
      assert.deepEqual([forgotten?.attempts, forgotten?.outcome], ['not kept', 'not kept'])
    }
  })

  it('says why an event was dropped', async (t) => {
    const log = await halfFinished(t)
    const reason = 'expired at 2026-01-02T03:04:05Z'
    const attempt = { attempt: 1, at: 1_000, durationMs: 0, result: 'dropped', reason } as const
    const report = await why(log, 'e0', { trace: { attempts: [attempt], outcome: 'dropped' } })
    assert.ok(readableReport(report).some((line) => line.endsWith(`dropped in 0.0 ms, ${reason}`)))
  })

  it('evaluates the filters again, and names the clause that failed', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'a' })
    const [orders, invoices] = triggersOf(await why(log, 'a'))
    assert.deepEqual([orders?.matches, invoices?.matches], [true, false])
    assert.deepEqual(invoices?.failed, [
      { clause: 'exact.type', expected: 'invoice', actual: 'order' },
    ])
    const lines = readableReport(await why(log, 'a'))
    assert.ok(lines.some((line) => line.includes('exact.type: expected "invoice", is "order"')))
  })

  it('finds replays, for the one trigger, and the dead letters with their state', async (t) => {
    const log = await deadLetterLog(t)
    const ref = await log.fail({ id: 'a' })
    await replayLetters(log, {})
    const report = await why(log, 'a')
    assert.ok(report.occurrences !== 'not kept')
    const replay = report.occurrences.find((one) => one.replayOf === ref)
    assert.ok(replay !== undefined && replay.triggers !== 'not kept')
    assert.deepEqual(
      replay.triggers.map(({ trigger }) => trigger),
      ['events/orders'],
    )
    assert.deepEqual(
      report.deadLetters.map((one) => [one.ref, one.state, one.origin]),
      [[ref, 'replayed', `${TRIGGER.topic}/0/0`]],
    )
  })

  it('finds what a step of a flow could not process, which has an id of its own', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'a' })
    const [first] = await log.records(TRIGGER.topic)
    assert.ok(first !== undefined)
    const headers = first.record.headers.map(([name, value]): (typeof first.record.headers)[0] =>
      name.toString() === 'ce_id' ? [name, Buffer.from('a-priced')] : [name, value],
    )
    const ref = await log.failAgain(TRIGGER.topic, first.partition, { ...first.record, headers })
    const found = async (id: string): Promise<string[]> =>
      (await why(log, id)).deadLetters.map((letter) => letter.ref)
    assert.ok((await found('a')).includes(ref))
    assert.deepEqual(await found('a-priced'), [ref])
  })

  it('says at which step of a flow an event became a dead letter, though its trigger has ended it', async (t) => {
    const log = await deadLetterLog(t)
    const ref = await log.fail({ id: 'a', step: 's-kn-sequence-1' })
    const told = async (live?: Live): Promise<unknown[]> => {
      const [report] = triggersOf(await why(log, 'a', live))
      return [report?.outcome, report?.deadLetteredAt]
    }
    const letters = [{ step: 's-kn-sequence-1', ref }]
    const acked = { trace: { outcome: 'acked', endedAt: 5_000 } } as const
    assert.deepEqual(await told(acked), ['deadlettered', letters])
    // Another branch of a parallel may still be at it.
    assert.deepEqual(await told({ trace: {} }), ['under way', letters])
    assert.deepEqual(await told(), ['not kept', letters])
    await log.broker.commit(TRIGGER.group, [{ topic: TRIGGER.topic, partition: 0, offset: 1 }])
    assert.deepEqual(await told(), ['deadlettered', letters])
    const [, line] = readableReport(await why(log, 'a', acked))
    assert.match(
      line ?? '',
      /outcome: dead-lettered at step s-kn-sequence-1 at 1970-01-01T00:00:05/,
    )
  })

  it('tells a replay that ended from the first time, when the step gave the event up', async (t) => {
    const log = await deadLetterLog(t)
    const step = 's-kn-sequence-1'
    const ref = await log.fail({ id: 'a', step })
    await replayLetters(log, {})
    const topic = retryTopic(TRIGGER.group)
    const told = async (): Promise<unknown[]> => {
      const { occurrences } = await why(log, 'a', { trace: { outcome: 'acked', endedAt: 5_000 } })
      assert.ok(occurrences !== 'not kept')
      return occurrences.map(({ replayOf, triggers }) => {
        assert.ok(triggers !== 'not kept')
        return [replayOf, triggers[0]?.outcome, triggers[0]?.deadLetteredAt]
      })
    }
    const first = [undefined, 'deadlettered', [{ step, ref }]]
    assert.deepEqual(new Set(await told()), new Set([first, [ref, 'acked', []]]))
    const [replay] = await log.records(topic)
    assert.ok(replay !== undefined)
    const again = await log.failAgain(topic, replay.partition, replay.record, 'dead-letter-sink')
    const second = [ref, 'deadlettered', [{ step: 'dead-letter-sink', ref: again }]]
    assert.deepEqual(new Set(await told()), new Set([first, second]))
  })

  it('keeps dead letters when the log has let the event go', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'a' })
    const reader: typeof log.reader = {
      topics: (names) => log.reader.topics(names),
      read: (at, from, options) => log.reader.read(at, from, options),
      committed: (group, partitions) => log.reader.committed(group, partitions),
      offsetsAt: (partitions, timeMs) => log.reader.offsetsAt(partitions, timeMs),
      ranges: async (partitions) =>
        (await log.reader.ranges(partitions)).map((range) =>
          range.topic === TRIGGER.topic ? { ...range, start: range.end } : range,
        ),
    }
    const report = await why({ ...log, reader }, 'a')
    assert.equal(report.occurrences, 'not kept')
    assert.equal(report.deadLetters.length, 1)
    assert.match(readableReport(report)[0] ?? '', /not kept in the log/)
  })
})
