import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Outcome } from '../../../runtime/contract/outcome.ts'
import {
  DeliveryHistory,
  MAX_DELIVERIES,
  type Delivered,
} from '../../../runtime/delivery/history.ts'

function task(offset: number, attempt = 1, partition = 0, topic = 'orders'): Delivered {
  return { channel: { topic, partition }, record: { offset }, attempt }
}

const DONE = { status: 'done', durationMs: 3 } as const
const FAILED = { status: 'failed', durationMs: 5 } as const
const FAULT = { code: 'FN_HANDLER_THREW', class: 'TypeError', message: 'no stock' } as const

describe('DeliveryHistory', () => {
  it('knows nothing of what it was not told', () => {
    const history = new DeliveryHistory('events/orders')
    assert.equal(history.find('orders', 0, 0), undefined)
    history.recordEnd(task(7), 'acked')
    assert.equal(history.find('orders', 0, 7), undefined)
  })

  it('tells why an event was dropped', () => {
    const history = new DeliveryHistory('events/orders')
    const reason = 'expired at 2026-01-02T03:04:05Z'
    history.recordAttempt(task(7), { status: 'dropped', durationMs: 0, reason })
    history.recordEnd(task(7), 'dropped')
    history.recordAttempt(task(8), DONE)
    const [attempt] = history.find('orders', 0, 7)?.attempts ?? []
    assert.deepEqual([attempt?.result, attempt?.reason], ['dropped', reason])
    assert.ok(!('reason' in (history.find('orders', 0, 8)?.attempts[0] ?? {})))
  })

  it('tells the attempts of an event with their errors, and its end', () => {
    const history = new DeliveryHistory('events/orders')
    const startedAt = Date.now()
    history.recordAttempt(task(7), FAILED)
    history.recordFailure(task(7), FAULT, 2_000)
    const underWay = history.find('orders', 0, 7)
    assert.deepEqual([underWay?.outcome, underWay?.endedAt], [undefined, undefined])
    history.recordAttempt(task(7, 2), DONE)
    history.recordEnd(task(7, 2), 'acked')
    const trace = history.find('orders', 0, 7)
    assert.ok(trace?.endedAt !== undefined && trace.endedAt >= startedAt)
    assert.ok(trace.attempts.every(({ at }) => at >= startedAt && at <= Date.now()))
    assert.deepEqual(
      { ...trace, endedAt: 0, attempts: trace.attempts.map((one) => ({ ...one, at: 0 })) },
      {
        trigger: 'events/orders',
        topic: 'orders',
        partition: 0,
        offset: 7,
        outcome: 'acked',
        endedAt: 0,
        attempts: [
          {
            attempt: 1,
            at: 0,
            durationMs: 5,
            result: 'failed',
            error: { code: 'FN_HANDLER_THREW', class: 'TypeError', message: 'no stock' },
            retryInMs: 2_000,
          },
          { attempt: 2, at: 0, durationMs: 3, result: 'done' },
        ],
      },
    )
  })

  it('calls an attempt failed whose replies could not be published', () => {
    const history = new DeliveryHistory('events/orders')
    history.recordAttempt(task(7), DONE)
    history.recordFailure(task(7), { ...FAULT, code: 'FN_DELIVERY_PUBLISH_FAILED' }, 100)
    const [attempt] = history.find('orders', 0, 7)?.attempts ?? []
    assert.equal(attempt?.result, 'failed')
    assert.equal(attempt.error?.code, 'FN_DELIVERY_PUBLISH_FAILED')
    history.recordFailure(task(8), FAULT)
    assert.equal(history.find('orders', 0, 8), undefined)
  })

  it('forgets the oldest attempts of a delivery that it keeps', () => {
    const history = new DeliveryHistory('events/orders', 2)
    history.recordAttempt(task(1), DONE)
    for (let attempt = 1; attempt <= 4; attempt++) history.recordAttempt(task(2, attempt), DONE)
    history.recordFailure(task(1), FAULT)
    assert.deepEqual(history.find('orders', 0, 1)?.attempts, [])
    assert.deepEqual(
      history.find('orders', 0, 2)?.attempts.map(({ result }) => result),
      ['done', 'done', 'done', 'done'],
    )
  })

  it('keeps an event that comes again apart from its former delivery', () => {
    const history = new DeliveryHistory('events/orders')
    history.recordAttempt(task(7), FAILED)
    history.recordFailure(task(7), FAULT)
    history.recordAttempt(task(7), DONE)
    assert.deepEqual(
      history.find('orders', 0, 7)?.attempts.map(({ result }) => result),
      ['done'],
    )
  })

  it('remembers the last 10,000 deliveries', () => {
    const history = new DeliveryHistory('events/orders')
    for (let offset = 0; offset < MAX_DELIVERIES + 5; offset++) {
      history.recordAttempt(task(offset), DONE)
      history.recordEnd(task(offset), 'acked')
    }
    assert.equal(MAX_DELIVERIES, 10_000)
    assert.equal(history.find('orders', 0, 4), undefined)
    assert.equal(history.find('orders', 0, 5)?.outcome, 'acked')
    assert.equal(history.find('orders', 0, MAX_DELIVERIES + 4)?.attempts.length, 1)
  })

  it('cuts long messages', () => {
    const history = new DeliveryHistory('events/orders')
    history.recordAttempt(task(1), FAILED)
    history.recordFailure(task(1), { ...FAULT, message: 'x'.repeat(2_000) })
    assert.equal(history.find('orders', 0, 1)?.attempts[0]?.error?.message.length, 300)
  })

  it('agrees with a list that forgets its oldest entries', () => {
    const step = fc.record({
      topic: fc.constantFrom('a', 'a', 'a', 'b'),
      partition: fc.constantFrom(0, 0, 0, 2),
      offset: fc.oneof(
        { weight: 3, arbitrary: fc.constant(0) },
        { weight: 2, arbitrary: fc.integer({ min: 0, max: 12 }) },
        { weight: 1, arbitrary: fc.constantFrom(2 ** 40, 2 ** 52) },
      ),
      attempt: fc.constantFrom(1, 2, 2, 3),
      kind: fc.constantFrom('done', 'failed', 'failed', 'acked'),
    })
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 150 })),
        fc.array(step, { maxLength: 600 }),
        (max, steps) => {
          const history = new DeliveryHistory('t', max)
          const model = new Model(max)
          for (const { topic, partition, offset, attempt, kind } of steps) {
            const one = task(offset, attempt, partition, topic)
            if (kind === 'acked') {
              history.recordEnd(one, kind)
              model.end(one, kind)
            } else {
              // A failure may be known only when the replies are published.
              history.recordAttempt(one, { status: 'done', durationMs: attempt })
              const retryInMs = kind === 'failed' ? offset : undefined
              if (kind === 'failed') history.recordFailure(one, FAULT, retryInMs)
              model.attempt(one, kind, retryInMs)
            }
          }
          for (const { topic, partition, offset } of steps) {
            const found = history.find(topic, partition, offset)
            assert.deepEqual(
              found && {
                outcome: found.outcome,
                attempts: found.attempts.map((a) => [a.attempt, a.result, a.retryInMs]),
              },
              model.find(task(offset, 1, partition, topic)),
            )
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

interface ModelEntry {
  key: string
  outcome: Outcome | undefined
  attempts: number[]
}

class Model {
  readonly #max: number
  #deliveries: ModelEntry[] = []
  readonly #attempts: Array<[number, string, number | undefined]> = []

  constructor(max: number) {
    this.#max = max
  }

  attempt(one: Delivered, result: string, retryInMs: number | undefined): void {
    let entry = one.attempt === 1 ? undefined : this.#newest(one)
    if (entry?.outcome !== undefined) entry = undefined
    if (entry === undefined) {
      entry = { key: keyOf(one), outcome: undefined, attempts: [] }
      this.#deliveries.push(entry)
      this.#deliveries = this.#deliveries.slice(-this.#max)
    }
    entry.attempts.push(this.#attempts.length)
    this.#attempts.push([one.attempt, result, retryInMs])
  }

  end(one: Delivered, outcome: Outcome): void {
    const entry = this.#newest(one)
    if (entry !== undefined) entry.outcome ??= outcome
  }

  find(one: Delivered): unknown {
    const entry = this.#newest(one)
    if (entry === undefined) return undefined
    const oldest = this.#attempts.length - 2 * this.#max
    const kept = entry.attempts.filter((index) => index >= oldest)
    return { outcome: entry.outcome, attempts: kept.map((index) => this.#attempts[index]) }
  }

  #newest(one: Delivered): ModelEntry | undefined {
    return this.#deliveries.findLast(({ key }) => key === keyOf(one))
  }
}

function keyOf({ channel, record }: Delivered): string {
  return `${channel.topic} ${channel.partition} ${record.offset}`
}
