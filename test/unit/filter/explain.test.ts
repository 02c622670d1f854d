import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Event, EventData } from '../../../runtime/contract/event.ts'
import { compileFilter } from '../../../runtime/filter/compile.ts'
import { explain } from '../../../runtime/filter/explain.ts'
import { LazyData } from '../../../runtime/filter/lazy-data.ts'
import { eventArbitrary, filtersArbitrary } from '../../support/filter-arbitraries.ts'

describe('explain', () => {
  it('has nothing to say of an event that matches', () => {
    assert.deepEqual(explain(order(), [{ exact: { type: 'order' } }]), {
      matches: true,
      failed: [],
    })
  })

  it('names every clause that failed, what it expected and what the event has', () => {
    const filters = [
      { exact: { type: 'payment', source: '/shop', subject: 'x' } },
      { data: { amount: { gte: 100, lt: 1_000 }, 'customer.tier': { in: ['gold'] } } },
      { exists: { subject: true, attempt: false } },
    ]
    assert.deepEqual(explain(order(), filters), {
      matches: false,
      failed: [
        { clause: 'exact.type', expected: 'payment', actual: 'order' },
        { clause: 'exact.subject', expected: 'x', actual: null },
        { clause: 'data.amount.gte', expected: 100, actual: 50 },
        { clause: 'data.customer.tier.in', expected: ['gold'], actual: null },
        { clause: 'exists.subject', expected: true, actual: null },
        { clause: 'exists.attempt', expected: false, actual: '2' },
      ],
    })
  })

  it('shows all that any and not look at', () => {
    const any = [{ exact: { type: 'a' } }, { data: { amount: { gt: 60 } } }]
    const not = { exact: { type: 'order', source: '/shop' } }
    assert.deepEqual(explain(order(), [{ any }, { not }]).failed, [
      { clause: 'any', expected: any, actual: { type: 'order', 'data.amount': 50 } },
      { clause: 'not', expected: not, actual: { type: 'order', source: '/shop' } },
    ])
  })

  it('shows the value of an expression, or its error', () => {
    const rows: Array<[cesql: string, actual: unknown, note?: string]> = [
      ["type = 'payment'", false],
      ['LENGTH(type)', 5, 'the value is no Boolean'],
      ['UPPER(type)', 'ORDER', 'the value is no Boolean'],
      ["subject = 'x'", 'missingAttribute error: the event has no subject'],
      ['type > 5', 'cast error: "order" is no Integer'],
      ['attempt / 0 = 1', 'math error: 2 / 0 has no result'],
      ["LEFT(type, -1) = ''", 'functionEvaluation error: LEFT of -1 characters'],
    ]
    for (const [cesql, actual, note] of rows) {
      assert.deepEqual(explain(order(), [{ all: [{ cesql }] }]).failed, [
        {
          clause: 'all.0.cesql',
          expected: cesql,
          actual,
          ...(note !== undefined && { note }),
        },
      ])
    }
  })

  it('shows expressions inside any and not by their text', () => {
    const any = [{ exact: { type: 'a' } }, { cesql: 'attempt > 5' }]
    assert.deepEqual(explain(order(), [{ any }, { not: { cesql: 'EXISTS type' } }]).failed, [
      { clause: 'any', expected: any, actual: { type: 'order', 'attempt > 5': false } },
      { clause: 'not', expected: { cesql: 'EXISTS type' }, actual: { 'EXISTS type': true } },
    ])
  })

  it('gives the way to a clause inside all', () => {
    const filters = [
      { all: [{ exact: { source: '/shop' } }, { all: [{ prefix: { type: 'x' } }] }] },
    ]
    assert.deepEqual(explain(order(), filters).failed, [
      { clause: 'all.1.all.0.prefix.type', expected: 'x', actual: 'order' },
    ])
  })

  it('says so where there is no JSON to look at', () => {
    const notes: Array<[EventData | undefined, string]> = [
      [undefined, 'the event has no data'],
      [{ kind: 'text', bytes: Buffer.from('{}') }, 'the data is not JSON'],
      [{ kind: 'json', bytes: Buffer.from('{') }, 'the JSON data does not parse'],
    ]
    for (const [data, note] of notes) {
      assert.deepEqual(explain({ ...order(), data }, [{ data: { a: { exists: false } } }]).failed, [
        { clause: 'data.a.exists', expected: false, actual: null, note },
      ])
    }
  })

  it('agrees with the compiled filter on any event and any filter', () => {
    fc.assert(
      fc.property(eventArbitrary, filtersArbitrary, (event, filters) => {
        const { matches, failed } = explain(event, filters)
        assert.equal(matches, compileFilter(filters).matches(event, new LazyData(event)))
        assert.equal(matches, failed.length === 0)
        assert.doesNotThrow(() => JSON.stringify(failed))
      }),
      { numRuns: 2_000 },
    )
  })
})

function order(): Event {
  return {
    attributes: { specversion: '1.0', id: '1', source: '/shop', type: 'order', attempt: 2 },
    data: { kind: 'json', bytes: Buffer.from('{"amount":50}') },
  }
}
