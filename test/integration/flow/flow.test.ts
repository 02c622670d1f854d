/** Flows with real isolates, a real HTTP service and a real log. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { deadLetterTopic } from '../../../runtime/broker/names.ts'
import type { Event } from '../../../runtime/contract/event.ts'
import { DEFAULT_DELIVERY } from '../../../runtime/contract/manifest.ts'
import type { Topology } from '../../../runtime/contract/topology.ts'
import { replayLetters } from '../../../runtime/dlq/replay.ts'
import { eventually } from '../../support/eventually.ts'
import { startSubscriber } from '../../support/http-subscriber.ts'
import { BROKER_TOPIC, logDir, RunningFlow } from '../../support/running-flow.ts'
import { durable, into, parallel, sequence } from '../../support/sample-flow.ts'

const ONCE = { ...DEFAULT_DELIVERY, retry: 0 }
const PASSES_ON = `export const handler = (event) => ({ type: 'x', data: { ...event.data, n: (event.data.n ?? 0) + 1 } })`
const DOUBLES = `export const handler = (event) => [0, 1].map((part) => ({ type: 'part', data: { ...event.data, part } }))`
const ODD = `export const handler = (event) => event.data.part === 1 ? { ...event } : undefined`
const OUT = `export const handler = (event) => ({ type: 'out', data: event.data })`
const FAILS = `export const handler = () => { throw new Error('no') }`

/** What of an event does not depend on when it was made. */
function timeless({ attributes, data }: Event): unknown {
  const { time, ...rest } = attributes
  return { ...rest, hadTime: time !== undefined, data: data?.bytes.toString() }
}

function byId(events: readonly Event[]): unknown[] {
  return events.toSorted((a, b) => (a.attributes.id < b.attributes.id ? -1 : 1)).map(timeless)
}

/** A service that answers each event with one of its own. */
async function service(t: TestContext): Promise<string> {
  const { url } = await startSubscriber(t, (response, { headers, body }) => {
    response.writeHead(200, {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': String(headers['ce-id']),
      'ce-source': '/service',
      'ce-type': 'served',
    })
    response.end(body)
  })
  return url
}

describe('a flow', () => {
  it('gives the same events, ids included, in one process and with topics between its steps', async (t) => {
    const url = await service(t)
    const branches = parallel('p', [
      { filter: 'odd', subscriber: 'out' },
      { subscriber: 'two', reply: { kind: 'topic', topic: BROKER_TOPIC } },
    ])
    const chain = sequence(
      's',
      [{ subscriber: 'one' }, { subscriber: { kind: 'http', url } }, { subscriber: 'doubles' }],
      { kind: 'channel', channel: branches.entry },
    )
    const flows = [chain, branches]
    const functions = { one: PASSES_ON, two: PASSES_ON, doubles: DOUBLES, odd: ODD, out: OUT }
    const sent = Array.from({ length: 40 }, (_, n) => ({
      id: `e${n}`,
      key: `k${n % 5}`,
      data: { at: n },
    }))
    const results: Event[][] = []
    const topologies: Array<Partial<Topology>> = [
      { triggers: [into(chain)], flows },
      durable(into(chain), flows),
    ]
    for (const topology of topologies) {
      const running = await RunningFlow.open(t, await logDir(t), { topology, functions })
      await running.send(sent)
      // Two parts of each: both through branch 1, one through branch 0.
      results.push(await running.replies(sent.length * 3))
    }
    const [ends, each] = results as [Event[], Event[]]
    assert.equal(ends.length, 120)
    assert.equal(new Set(ends.map(({ attributes }) => attributes.id)).size, 120)
    assert.deepEqual(byId(ends), byId(each))
    for (const events of results) assertOrder(events)
  })

  it('loses nothing in a crash between steps, and makes the same ids again', async (t) => {
    const dir = await logDir(t)
    const flow = sequence('s', [{ subscriber: 'one' }, { subscriber: 'out' }])
    const topology = {
      triggers: [{ ...into(flow), startFrom: 'earliest' as const }],
      flows: [flow],
    }
    const sent = Array.from({ length: 20 }, (_, n) => ({ id: `e${n}`, key: `k${n % 3}` }))
    const first = await RunningFlow.open(t, dir, {
      topology,
      functions: { one: PASSES_ON, out: FAILS },
    })
    await first.send(sent)
    await eventually(
      async () =>
        /millrace_retries_total\{trigger="events\/s-kn-sequence-1"\} [1-9]/.test(
          await first.metrics.render(),
        ),
      'the second step has been tried',
    )
    await first.kill()
    const again = { topology, functions: { one: PASSES_ON, out: OUT } }
    const second = await RunningFlow.open(t, dir, again)
    const replies = await second.replies(sent.length)
    const undisturbed = await RunningFlow.open(t, await logDir(t), again)
    await undisturbed.send(sent)
    assert.deepEqual(byId(replies), byId(await undisturbed.replies(sent.length)))
  })

  it('replays a dead letter of a step from that step on', async (t) => {
    const dir = await logDir(t)
    const flow = sequence('s', [{ subscriber: 'one' }, { subscriber: 'out', delivery: ONCE }])
    const source = into(flow)
    const topology = { triggers: [source], flows: [flow] }
    const letters = deadLetterTopic(source.group)
    const first = await RunningFlow.open(t, dir, {
      topology,
      functions: { one: PASSES_ON, out: FAILS },
    })
    await first.send([{ id: 'e1', key: 'k' }])
    const [letter] = await eventually(async () => {
      const found = await first.events(letters)
      return found.length > 0 ? found : undefined
    }, 'the dead letter')
    assert.equal(letter?.attributes['fnstep'], 's-kn-sequence-1')
    await first.pipeline.stop(5_000)
    await first.kill()

    const second = await RunningFlow.open(t, dir, {
      topology,
      functions: { one: FAILS, out: OUT },
    })
    const { replayed } = await replayLetters(second.log, {})
    assert.equal(replayed.length, 1)
    const [reply] = await second.replies(1)
    assert.equal(reply?.attributes['correlationid'], 'e1')
    assert.equal(reply?.data?.bytes.toString(), '{"n":1}')
    assert.equal((await second.events(letters)).length, 1)
  })
})

/** The events of a key come in the order in which their causes were sent, in each branch. */
function assertOrder(events: readonly Event[]): void {
  const last = new Map<string, number>()
  for (const { attributes, data } of events) {
    const { at } = JSON.parse(String(data?.bytes)) as { at: number }
    const lane = `${attributes['partitionkey']} ${attributes.type}`
    assert.ok(at >= (last.get(lane) ?? -1), `${lane}: ${at} after ${last.get(lane)}`)
    last.set(lane, at)
  }
}
