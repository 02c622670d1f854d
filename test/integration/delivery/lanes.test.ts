/** Keys run side by side: one that is slow or fails holds nobody else. With real isolates and a real log. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_DELIVERY } from '../../../runtime/contract/manifest.ts'
import { eventually } from '../../support/eventually.ts'
import { RunningPipeline, type Sent } from '../../support/running-pipeline.ts'

const KEYS = 100
const EVENTS = 1_000

/** All keys have to be there before the first of them may go on. */
const WAITS = `
  const waiting = []
  export async function handler(event) {
    const { waitMs } = event.data
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    else await new Promise((resolve) => {
      const isLast = waiting.push(resolve) === ${KEYS}
      if (isLast) for (const go of waiting.splice(0)) go()
      // What waits for nothing but others would be a deadlock.
      else setTimeout(() => {}, 60_000)
    })
    return { type: 'out' }
  }
`

const FAILS = `
  export function handler(event) {
    if (event.data.fails) throw new Error('no')
    return { type: 'out' }
  }
`

describe('lanes', () => {
  it('run a hundred keys of a waiting handler at once, each key in order', async (t) => {
    const running = await RunningPipeline.open(t, WAITS, {
      concurrency: KEYS,
      // One that waits in vain does not come again to be counted twice.
      delivery: { ...DEFAULT_DELIVERY, retry: 0 },
    })
    await running.answers(
      Array.from({ length: EVENTS }, (_, n) =>
        eventOf('together', n, { key: n % KEYS, waitMs: 0 }),
      ),
    )
    // A key's events one after another, each with a shorter wait: side by side they would turn round.
    await running.answers(
      Array.from({ length: EVENTS }, (_, n) =>
        eventOf('turned', n, { key: Math.floor(n / 10), waitMs: 2 * (10 - (n % 10)) }),
      ),
    )
    assertOrder(running.answered)
  })

  it('keep the latency of a key while a thousand others wait for a retry', async (t) => {
    const delivery = {
      ...DEFAULT_DELIVERY,
      backoffPolicy: 'linear',
      backoffDelayMs: 60_000,
    } as const
    const running = await RunningPipeline.open(t, FAILS, { delivery })
    const latencies = async (name: string): Promise<number[]> => {
      const found: number[] = []
      for (let n = 0; n < 200; n++) {
        found.push(await running.answers([{ id: `${name}:${n}`, key: 'calm', data: {} }]))
      }
      return found.toSorted((a, b) => a - b)
    }
    await latencies('warm-up')
    const before = await latencies('before')
    await running.send(
      Array.from({ length: EVENTS }, (_, n): Sent => ({
        id: `f:${n}`,
        key: `f${n}`,
        data: { fails: true },
      })),
    )
    await eventually(
      async () =>
        (await running.metrics.render()).includes(
          `millrace_retries_total{trigger="events/one"} ${EVENTS}`,
        ),
      'all of them wait',
    )
    const beside = await latencies('beside')
    assert.equal(
      running.pipeline.consumer.states()[0]?.inFlight,
      EVENTS,
      'they waited all the time',
    )
    for (const [name, of] of [
      ['alone', before],
      ['beside 1,000 that wait', beside],
    ] as const) {
      t.diagnostic(`${name}: p50 ${ms(at(of, 0.5))}, p99 ${ms(at(of, 0.99))}`)
    }
    assert.ok(at(beside, 0.5) <= 3 * at(before, 0.5) + 50)
  })
})

function eventOf(round: string, n: number, of: { key: number; waitMs: number }): Sent {
  return { id: `${round}/${of.key}:${n}`, key: `k${of.key}`, data: { waitMs: of.waitMs } }
}

/** The numbers of one key rise, in each round. */
function assertOrder(ids: readonly string[]): void {
  const last = new Map<string, number>()
  for (const id of ids) {
    const [lane, text] = id.split(':') as [string, string]
    const n = Number(text)
    const before = last.get(lane) ?? -1
    assert.ok(n > before, `${id} came after ${before}`)
    last.set(lane, n)
  }
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)] as number
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`
}
