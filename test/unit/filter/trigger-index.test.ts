import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Event } from '../../../runtime/contract/event.ts'
import type { Filter } from '../../../runtime/contract/metadata.ts'
import { TriggerIndex } from '../../../runtime/filter/trigger-index.ts'
import { eventArbitrary, filtersArbitrary } from '../../support/filter-arbitraries.ts'
import { referenceMatches } from '../../support/filter-reference.ts'

describe('TriggerIndex', () => {
  it('finds what trying every trigger one by one finds, in the same order', () => {
    fc.assert(
      fc.property(
        fc.array(filtersArbitrary, { maxLength: 12 }),
        fc.array(eventArbitrary, { minLength: 1, maxLength: 5 }),
        (all, events) => {
          const index = indexOf(all)
          for (const event of events) {
            const slow = all.flatMap((filters, at) =>
              referenceMatches(event, filters) ? [at] : [],
            )
            assert.deepEqual(index.match(event), slow)
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('asks only the triggers of the same type, and those without one', () => {
    const types = Array.from({ length: 1_000 }, (_, number): Filter[] => [
      { exact: { type: `t${number}` } },
      { exact: { probe: 'x' } },
    ])
    const index = indexOf([...types, [{ exists: { probe: true } }]])
    const { event, reads } = probed('t7')
    assert.deepEqual(index.match(event), [7, 1_000])
    assert.equal(reads(), 2)
  })

  it('asks only the expressions that want the type, whatever else they say', () => {
    const types = Array.from({ length: 1_000 }, (_, number): Filter[] => [
      {
        cesql: `probe = 'x' AND (type = 't${number}' AND EXISTS id OR type IN ('u${number}') OR type LIKE '\\%${number}')`,
      },
    ])
    const index = indexOf([...types, [{ cesql: 'EXISTS probe' }]])
    for (const type of ['t7', 'u7', '%7']) {
      const { event, reads } = probed(type)
      assert.deepEqual(index.match(event), [7, 1_000])
      assert.equal(reads(), 2)
    }
  })

  it('finds an expression by every text that is equal to what it wants', () => {
    const index = indexOf([
      [{ cesql: "tenant IN ('05')" }],
      [{ cesql: "'+5' = tenant" }],
      [{ cesql: 'tenant = 5' }],
      [{ cesql: 'tenant IN (5, 1)' }],
      [{ cesql: "tenant = '05' XOR type = 'z'" }],
      [{ cesql: "tenant IN ('TRUE')" }],
      [{ cesql: "tenant LIKE '_5'" }],
      [{ cesql: "tenant LIKE '5'" }],
    ])
    const matches = (tenant: string | number | boolean): number[] => {
      const { event } = probed('t')
      event.attributes['tenant'] = tenant
      return index.match(event)
    }
    assert.deepEqual(matches(5), [0, 1, 2, 3, 7])
    assert.deepEqual(matches('5'), [2, 3, 7])
    assert.deepEqual(matches('05'), [0, 2, 4, 6])
    assert.deepEqual(matches('+5'), [1, 2, 6])
    assert.deepEqual(matches(true), [3, 5])
    assert.deepEqual(matches('TRUE'), [5])
  })

  it('is built in no time from an expression of thousands of types', () => {
    const types = Array.from({ length: 4_000 }, (_, number) => `type='${number}'`)
    const index = indexOf([
      [{ cesql: types.join(' OR ') }],
      [{ any: types.map((cesql) => ({ cesql })) }],
    ])
    assert.deepEqual(index.match(probed('3999').event), [0, 1])
    assert.deepEqual(index.match(probed('4000').event), [])
  })

  it('finds a trigger under each type of an any, once', () => {
    const index = indexOf([
      [{ any: [{ exact: { type: 'a' } }, { exact: { type: 'b', source: '/s' } }] }],
      [{ any: [{ exact: { type: 'a' } }, { prefix: { source: '/s' } }] }],
    ])
    assert.deepEqual(index.match(probed('a').event), [0, 1])
    assert.deepEqual(index.match(probed('b').event), [0, 1])
    assert.deepEqual(index.match(probed('c').event), [1])
  })

  it('tells a thousand tenants of one type apart by their tenant', () => {
    const index = indexOf(
      Array.from({ length: 1_000 }, (_, number): Filter[] => [
        { exists: { probe: true } },
        { exact: { type: 't', tenant: `${number}` } },
      ]),
    )
    const { event, reads } = probed('t')
    event.attributes['tenant'] = 7
    assert.deepEqual(index.match(event), [7])
    assert.equal(reads(), 1)
  })

  it('parses the data of an event once for all its triggers', (t) => {
    const index = indexOf(Array.from({ length: 50 }, (_, n) => [{ data: { n: { gte: n } } }]))
    const event: Event = {
      ...probed('t').event,
      data: { kind: 'json', bytes: Buffer.from('{"n":9}') },
    }
    const parse = t.mock.method(JSON, 'parse')
    assert.equal(index.match(event).length, 10)
    assert.equal(parse.mock.callCount(), 1)
  })

  it('matches nothing where there is no trigger', () => {
    assert.deepEqual(indexOf([]).match(probed('t').event), [])
  })
})

function indexOf(all: ReadonlyArray<readonly Filter[]>): TriggerIndex<number> {
  return new TriggerIndex(all.map((filters, value) => ({ filters, value })))
}

/** An event that counts how often its attribute `probe` is looked at. */
function probed(type: string): { event: Event; reads: () => number } {
  let reads = 0
  const attributes = { specversion: '1.0', id: '1', source: '/s', type }
  Object.defineProperty(attributes, 'probe', {
    get: () => {
      reads++
      return 'x'
    },
  })
  return { event: { attributes, data: undefined }, reads: () => reads }
}
