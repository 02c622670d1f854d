import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Filter } from '../../../runtime/contract/metadata.ts'
import { attributeText } from '../../../runtime/filter/compile.ts'
import { matchPartial, UNKNOWN, type PartialEvent } from '../../../runtime/filter/partial.ts'
import { eventArbitrary, filtersArbitrary } from '../../support/filter-arbitraries.ts'
import { referenceMatches } from '../../support/filter-reference.ts'

/** Knows `known` and nothing else. */
function knowing(known: Record<string, string | undefined>, data: PartialEvent['data']) {
  return {
    attribute: (name: string) => (Object.hasOwn(known, name) ? known[name] : UNKNOWN),
    data,
  }
}

const CASES: Array<[says: string, filters: Filter[], matches: string, open: string[]]> = [
  ['no filters', [], 'yes', []],
  ['the type', [{ exact: { type: 'a.b' } }], 'yes', []],
  ['another type', [{ exact: { type: 'a' } }], 'no', []],
  ['a prefix of the type', [{ prefix: { type: 'a.' } }], 'yes', []],
  ['what is not there', [{ exists: { subject: false } }], 'yes', []],
  ['what is not there, and must be', [{ exact: { subject: 'x' } }], 'no', []],
  ['what is not known', [{ exact: { priority: 'x' } }], 'maybe', ['exact.priority']],
  ['the data', [{ data: { n: { gte: 1 } } }], 'maybe', ['data.n.gte']],
  [
    'one that is known to fail beside one that is not known',
    [{ exact: { priority: 'x', type: 'b' } }],
    'no',
    [],
  ],
  [
    'an alternative that is known to hold',
    [{ any: [{ exact: { priority: 'x' } }, { exact: { type: 'a.b' } }] }],
    'yes',
    [],
  ],
  [
    'alternatives of which one is not known',
    [{ any: [{ exact: { priority: 'x' } }, { exact: { type: 'b' } }] }],
    'maybe',
    ['any.0.exact.priority'],
  ],
  ['an expression that is known', [{ cesql: "type LIKE 'a.%' AND NOT EXISTS subject" }], 'yes', []],
  ['an expression that is known to fail', [{ cesql: "subject = 'x'" }], 'no', []],
  ['an expression on what is not known', [{ cesql: "priority = 'x'" }], 'maybe', ['cesql']],
  [
    'an expression that demands another type beside what is not known',
    [{ cesql: "priority = 'x' AND type IN ('b', 'c')" }],
    'no',
    [],
  ],
  [
    'not an expression on what is not known',
    [{ not: { cesql: "priority = 'x'" } }],
    'maybe',
    ['not.cesql'],
  ],
  ['a text that may be an integer', [{ cesql: "count = '5'" }], 'maybe', ['cesql']],
  ['no alternatives', [{ any: [] }], 'no', []],
  ['not the type', [{ not: { exact: { type: 'a.b' } } }], 'no', []],
  ['not another type', [{ not: { exact: { type: 'b' } } }], 'yes', []],
  [
    'not what is not known',
    [{ not: { exact: { priority: 'x' } } }],
    'maybe',
    ['not.exact.priority'],
  ],
]

describe('matchPartial', () => {
  for (const [says, filters, matches, open] of CASES) {
    it(`says ${matches} to ${says}`, () => {
      const event = knowing({ type: 'a.b', subject: undefined, count: '5' }, 'unknown')
      assert.deepEqual(matchPartial(filters, event), { matches, open })
    })
  }

  it('knows that no condition on the data holds where there is none', () => {
    const event = knowing({}, 'none')
    assert.equal(matchPartial([{ data: { n: { exists: false } } }], event).matches, 'no')
  })

  it('is never wrong when it is certain, however little it knows', () => {
    const known = fc.subarray(['type', 'source', 'subject', 'datacontenttype', 'priority'])
    fc.assert(
      fc.property(eventArbitrary, filtersArbitrary, known, (event, filters, names) => {
        const { matches, open } = matchPartial(filters, {
          attribute: (name) =>
            names.includes(name) ? attributeText(event.attributes, name) : UNKNOWN,
          data: event.data === undefined ? 'none' : 'unknown',
        })
        assert.equal(open.length > 0, matches === 'maybe')
        if (matches !== 'maybe') {
          assert.equal(matches === 'yes', referenceMatches(event, filters))
        }
      }),
    )
  })
})
