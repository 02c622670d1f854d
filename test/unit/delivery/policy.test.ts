import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { DEFAULT_DELIVERY, type DeliveryPolicy } from '../../../runtime/contract/manifest.ts'
import type { Fault } from '../../../runtime/contract/outcome.ts'
import {
  backoffMs,
  decide,
  MAX_WAIT_MS,
  type Decision,
  type Random,
} from '../../../runtime/delivery/policy.ts'
import type { ErrorCode } from '../../../runtime/errors.ts'

const POLICY: DeliveryPolicy = { ...DEFAULT_DELIVERY, retry: 3 }
const FAULT: Fault = { code: 'FN_HANDLER_THREW', class: 'Error', message: 'no' }

interface Failure {
  fault?: Partial<Fault>
  attempt?: number
  ageMs?: number
  random?: Random
}

function decided(policy: Partial<DeliveryPolicy>, failure: Failure = {}): Decision {
  const { fault, attempt = 1, ageMs = 0, random = neverAsked } = failure
  return decide({ ...FAULT, ...fault }, { attempt, ageMs }, { ...POLICY, ...policy }, random)
}

function neverAsked(): never {
  throw new Error('without jitter nothing is left to chance')
}

function waitMs(policy: Partial<DeliveryPolicy>, failure: Failure = {}): number | undefined {
  const decision = decided(policy, failure)
  return decision.kind === 'retry' ? decision.waitMs : undefined
}

/** All waits until the dead letter. */
function waits(policy: Partial<DeliveryPolicy>, failure: Failure = {}): number[] {
  const found: number[] = []
  for (let attempt = 1; ; attempt++) {
    const wait = waitMs(policy, { ...failure, attempt })
    if (wait === undefined) return found
    found.push(wait)
  }
}

const RETRY: Partial<Fault> = { code: 'FN_HANDLER_RETRY', class: 'Retry' }

describe('waits between retries', () => {
  const table = [
    ['knative-kafka', 'linear', [1_000, 2_000, 3_000, 4_000]],
    ['knative-kafka', 'exponential', [2_000, 4_000, 8_000, 16_000]],
    ['knative-core', 'linear', [0, 1_000, 2_000, 3_000]],
    ['knative-core', 'exponential', [1_000, 2_000, 4_000, 8_000]],
    ['spec', 'linear', [1_000, 1_000, 1_000, 1_000]],
    ['spec', 'exponential', [2_000, 4_000, 8_000, 16_000]],
  ] as const
  for (const [compat, backoffPolicy, expected] of table) {
    it(`are ${expected.join(', ')} ms for ${compat}, ${backoffPolicy}, PT1S`, () => {
      assert.deepEqual(waits({ compat, backoffPolicy, retry: 4 }), expected)
    })
  }

  it('are as long as Knative says in all for ten retries of PT0.2S', () => {
    const sum = (policy: Partial<DeliveryPolicy>): number =>
      waits({ ...policy, retry: 10, backoffDelayMs: 200 }).reduce((a, b) => a + b, 0)
    assert.equal(sum({ compat: 'knative-kafka' }), 409_200)
    assert.equal(sum({ compat: 'knative-core' }), 204_600)
  })

  it('are the Kafka broker’s, exponential, unless told otherwise', () => {
    assert.deepEqual(waits({}), [2_000, 4_000, 8_000])
  })

  it('are never longer than backoffMax', () => {
    assert.deepEqual(waits({ retry: 4, backoffMaxMs: 5_000 }), [2_000, 4_000, 5_000, 5_000])
  })

  it('leave the share of the jitter to chance, downwards', () => {
    const policy = { jitter: 0.25 }
    assert.equal(waitMs(policy, { random: () => 0 }), 2_000)
    assert.equal(waitMs(policy, { random: () => 0.5 }), 1_750)
    assert.equal(waitMs(policy, { random: () => 1 }), 1_500)
    assert.equal(waitMs({ jitter: 1 }, { random: () => 1 }), 0)
  })

  it('apply the jitter to what backoffMax has left', () => {
    assert.equal(waitMs({ jitter: 0.5, backoffMaxMs: 1_000 }, { random: () => 0.5 }), 750)
  })

  it('are numbers even after a million retries', () => {
    for (const compat of ['knative-kafka', 'knative-core', 'spec'] as const) {
      const policy = { ...POLICY, compat, retry: 2_000_000 }
      assert.equal(backoffMs(1_000_000, policy), MAX_WAIT_MS)
      assert.equal(backoffMs(1_000_000, { ...policy, backoffMaxMs: 7 }), 7)
      assert.equal(backoffMs(1_000_000, { ...policy, backoffDelayMs: 0 }), 0)
    }
  })

  it('are never negative, never above backoffMax, and grow without jitter', () => {
    const policies = fc.record({
      compat: fc.constantFrom('knative-kafka', 'knative-core', 'spec' as const),
      backoffPolicy: fc.constantFrom('linear', 'exponential' as const),
      backoffDelayMs: fc.oneof(fc.nat(), fc.maxSafeNat()),
      backoffMaxMs: fc.option(fc.oneof(fc.nat(), fc.maxSafeNat()), { nil: undefined }),
    })
    const chances = fc.record({
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      random: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    const counts = fc.oneof(fc.integer({ min: 1, max: 80 }), fc.integer({ min: 1, max: 2 ** 31 }))
    fc.assert(
      fc.property(policies, chances, counts, ({ backoffMaxMs, ...given }, chance, n) => {
        const policy = {
          ...given,
          retry: Number.MAX_SAFE_INTEGER,
          ...(backoffMaxMs === undefined ? {} : { backoffMaxMs }),
        }
        const whole = backoffMs(n, { ...POLICY, ...policy })
        assert.ok(whole >= 0 && whole <= (backoffMaxMs ?? MAX_WAIT_MS) && Number.isFinite(whole))
        assert.ok(backoffMs(n + 1, { ...POLICY, ...policy }) >= whole)
        const { jitter, random } = chance
        const wait = waitMs({ ...policy, jitter }, { attempt: n, random: () => random })
        assert.ok(wait !== undefined && wait <= whole && wait >= whole * (1 - jitter))
      }),
    )
  })
})

describe('the wait that a function asks for', () => {
  const after = (ms: number): Failure => ({ fault: { ...RETRY, retryAfterMs: ms } })

  it('is taken as it is', () => {
    assert.equal(waitMs({}, after(7)), 7)
    assert.equal(waitMs({ backoffMaxMs: 1_000, jitter: 1 }, after(60_000)), 60_000)
    assert.equal(waitMs({}, after(Number.MAX_VALUE)), MAX_WAIT_MS)
  })

  it('is no longer than retryAfterMax and no shorter than the backoff', () => {
    const policy = { retryAfterMaxMs: 10_000 }
    assert.equal(waitMs(policy, after(5_000)), 5_000)
    assert.equal(waitMs(policy, after(60_000)), 10_000)
    assert.equal(waitMs(policy, after(7)), 2_000)
    assert.equal(waitMs({ retryAfterMaxMs: 1_000 }, after(60_000)), 2_000)
  })

  it('is ignored with a retryAfterMax of nothing', () => {
    assert.equal(waitMs({ retryAfterMaxMs: 0 }, after(60_000)), 2_000)
  })

  it('does not come before its time by jitter', () => {
    const failure = { ...after(5_000), random: (): number => 1 }
    assert.equal(waitMs({ retryAfterMaxMs: 10_000, jitter: 0.5 }, failure), 5_000)
  })
})

describe('whether there is another attempt', () => {
  it('is no with no retries left', () => {
    assert.deepEqual(waits({ retry: 0 }), [])
    assert.deepEqual(decided({}, { attempt: 4 }), { kind: 'deadletter' })
  })

  it('is no for what cannot heal, whatever retryOn says', () => {
    for (const code of [
      'FN_DATA_INVALID',
      'FN_HANDLER_INVALID_REPLY',
      'FN_HANDLER_DEAD_LETTER',
    ] as const) {
      assert.deepEqual(waits({}, { fault: { code } }), [], code)
      assert.deepEqual(waits({ retryOn: [code] }, { fault: { code } }), [], code)
    }
  })

  it('is yes once only for an event that takes its isolate down, and then alone', () => {
    for (const code of ['FN_HANDLER_CPU', 'FN_HANDLER_MEMORY', 'FN_HANDLER_CRASHED'] as const) {
      assert.deepEqual(waits({}, { fault: { code } }), [2_000], code)
      assert.deepEqual(
        decided({}, { fault: { code } }),
        { kind: 'retry', waitMs: 2_000, alone: true },
        code,
      )
    }
  })

  it('is yes only for the codes and classes of retryOn, where it is set', () => {
    const retryOn = ['FN_HANDLER_TIMEOUT', 'Unavailable']
    const tried = (code: ErrorCode, name: string): boolean =>
      decided({ retryOn }, { fault: { code, class: name } }).kind === 'retry'
    assert.equal(tried('FN_HANDLER_TIMEOUT', 'Timeout'), true)
    assert.equal(tried('FN_HANDLER_THREW', 'Unavailable'), true)
    assert.equal(tried('FN_HANDLER_THREW', 'TypeError'), false)
    assert.equal(tried('FN_HANDLER_RETRY', 'Retry'), false)
  })

  it('is yes for a reply that the log did not take, whatever retryOn says', () => {
    const fault = { code: 'FN_DELIVERY_PUBLISH_FAILED', class: 'PublishFailed' } as const
    assert.equal(waitMs({ retryOn: ['Unavailable'] }, { fault }), 2_000)
  })

  it('is no for an event that is older than maxAge', () => {
    const policy = { maxAgeMs: 60_000 }
    assert.equal(waitMs(policy, { ageMs: 57_000 }), 2_000)
    assert.deepEqual(decided(policy, { ageMs: 60_001 }), {
      kind: 'deadletter',
      because: 'not tried again, since the event is older than maxAge (PT1M)',
    })
  })

  it('is no for a retry that would only come after maxAge', () => {
    const policy = { maxAgeMs: 60_000 }
    assert.equal(waitMs(policy, { ageMs: 58_000 }), 2_000)
    assert.deepEqual(decided(policy, { ageMs: 58_001 }), {
      kind: 'deadletter',
      because:
        'not tried again, since the event would be older than maxAge (PT1M) at its next attempt',
    })
    const fault = { ...RETRY, retryAfterMs: 60_000 }
    assert.equal(decided(policy, { fault, ageMs: 1 }).kind, 'deadletter')
  })

  it('says nothing of maxAge when the retries were used up anyway', () => {
    assert.deepEqual(decided({ maxAgeMs: 1 }, { attempt: 4, ageMs: 9 }), { kind: 'deadletter' })
  })
})
