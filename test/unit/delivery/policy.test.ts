import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_DELIVERY, type DeliveryPolicy } from '../../../runtime/contract/manifest.ts'
import { decide } from '../../../runtime/delivery/policy.ts'
import type { ErrorCode } from '../../../runtime/errors.ts'

const POLICY: DeliveryPolicy = { ...DEFAULT_DELIVERY, retry: 3 }

function waits(policy: DeliveryPolicy, code: ErrorCode = 'FN_HANDLER_THREW'): number[] {
  const found: number[] = []
  for (let attempt = 1; ; attempt++) {
    const decision = decide({ code, class: 'Error', message: 'no' }, attempt, policy)
    if (decision.kind === 'deadletter') return found
    found.push(decision.waitMs)
  }
}

describe('decide', () => {
  it("waits as Knative's Kafka broker does: exponential 2d, 4d, 8d", () => {
    assert.deepEqual(waits(POLICY), [2_000, 4_000, 8_000])
  })

  it("waits as Knative's Kafka broker does: linear d, 2d, 3d", () => {
    assert.deepEqual(waits({ ...POLICY, backoffPolicy: 'linear' }), [1_000, 2_000, 3_000])
  })

  it('dead-letters at once with no retries left', () => {
    assert.deepEqual(waits({ ...POLICY, retry: 0 }), [])
  })

  it('does not retry what cannot heal', () => {
    for (const code of [
      'FN_DATA_INVALID',
      'FN_HANDLER_INVALID_REPLY',
      'FN_HANDLER_DEAD_LETTER',
    ] as const) {
      assert.deepEqual(waits(POLICY, code), [], code)
    }
  })

  it('gives an event that takes its isolate down only a second attempt', () => {
    for (const code of ['FN_HANDLER_CPU', 'FN_HANDLER_MEMORY', 'FN_HANDLER_CRASHED'] as const) {
      assert.deepEqual(waits(POLICY, code), [2_000], code)
    }
  })

  it('takes the wait that the handler asked for', () => {
    const fault = {
      code: 'FN_HANDLER_RETRY',
      class: 'Retry',
      message: '',
      retryAfterMs: 7,
    } as const
    assert.deepEqual(decide(fault, 1, POLICY), { kind: 'retry', waitMs: 7, alone: false })
  })

  it('tries what took its isolate down again alone', () => {
    const fault = { code: 'FN_HANDLER_MEMORY', class: 'MemoryLimit', message: '' } as const
    assert.deepEqual(decide(fault, 1, POLICY), { kind: 'retry', waitMs: 2_000, alone: true })
  })
})
