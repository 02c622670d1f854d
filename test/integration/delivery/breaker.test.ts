/** The breaker between a real log and real isolates: nothing is lost, and nothing is held up at a stop. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_DELIVERY, type DeliveryPolicy } from '../../../runtime/contract/manifest.ts'
import { eventually } from '../../support/eventually.ts'
import { RunningPipeline, type Sent } from '../../support/running-pipeline.ts'

/** Its first 20 calls fail, as during an outage. */
const RECOVERS = `
  let calls = 0
  export function handler() {
    if (++calls <= 20) throw new Error('down')
    return { type: 'out' }
  }
`

const DOWN = `export function handler() { throw new Error('down') }`

function policy(pauseMs: number): DeliveryPolicy {
  return { ...DEFAULT_DELIVERY, backoffDelayMs: 10, breaker: { failures: 20, pauseMs } }
}

const EVENTS = Array.from({ length: 50 }, (_, n): Sent => ({ id: `e${n}`, key: `k${n}`, data: {} }))

async function sample(running: RunningPipeline, name: string): Promise<number> {
  const text = await running.metrics.render()
  return Number(new RegExp(`^${name}\\{trigger="events/one"[^}]*\\} (.*)$`, 'm').exec(text)?.[1])
}

describe('the breaker', () => {
  it('holds events back during an outage and delivers all of them after it', async (t) => {
    const running = await RunningPipeline.open(t, RECOVERS, { delivery: policy(1_000) })
    const answered = running.answers(EVENTS)
    await eventually(() => sample(running, 'millrace_breaker_open'), 'it opens')
    assert.ok((await answered) >= 1_000)
    assert.equal(await sample(running, 'millrace_breaker_open'), 0)
    assert.equal(new Set(running.answered).size, EVENTS.length)
  })

  it('holds no stop and commits no offset of an event that it holds', async (t) => {
    const running = await RunningPipeline.open(t, DOWN, { delivery: policy(3_600_000) })
    await running.send(EVENTS)
    await eventually(() => sample(running, 'millrace_breaker_open'), 'it opens')
    await running.send(EVENTS.map(({ id, ...rest }) => ({ ...rest, id: `held-${id}` })))
    await eventually(
      async () => (await sample(running, 'millrace_in_flight')) === 2 * EVENTS.length,
      'all are read',
    )
    const startedAt = performance.now()
    await running.pipeline.stop(30_000)
    assert.ok(performance.now() - startedAt < 10_000)
    assert.equal(await running.committed(), 0)
  })
})
