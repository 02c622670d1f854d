import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Filter } from '../../../runtime/contract/metadata.ts'
import { adviseFilters } from '../../../runtime/filter/advice.ts'
import { eventArbitrary, filtersArbitrary } from '../../support/filter-arbitraries.ts'
import { referenceMatches } from '../../support/filter-reference.ts'

const IMPOSSIBLE: Array<[says: string, filters: Filter[], advice: string]> = [
  [
    'two exact values of one attribute',
    [{ exact: { type: 'a' } }, { exact: { type: 'b' } }],
    'exact.type "a" and exact.type "b" exclude each other',
  ],
  [
    'an exact value without the prefix',
    [{ exact: { type: 'order' } }, { prefix: { type: 'pay' } }],
    'exact.type "order" and prefix.type "pay" exclude each other',
  ],
  [
    'two prefixes of which none begins the other',
    [{ prefix: { type: 'com.' } }, { prefix: { type: 'org.' } }],
    'prefix.type "com." and prefix.type "org." exclude each other',
  ],
  [
    'two suffixes of which none ends the other',
    [{ all: [{ suffix: { type: '.a' } }, { suffix: { type: '.b' } }] }],
    'all.0.suffix.type ".a" and all.1.suffix.type ".b" exclude each other',
  ],
  [
    'a value of an attribute that must be missing',
    [{ exists: { subject: false } }, { prefix: { subject: 'x' } }],
    'exists.subject false and prefix.subject "x" exclude each other',
  ],
  [
    'an empty range',
    [{ data: { amount: { gt: 100 } } }, { data: { amount: { lte: 100 } } }],
    'data.amount.gt 100 and data.amount.lte 100 exclude each other',
  ],
  [
    'a value outside the range',
    [{ data: { amount: { equals: 5, gte: 10 } } }],
    'data.amount.equals 5 and data.amount.gte 10 exclude each other',
  ],
  [
    'choices without a common one',
    [{ data: { tier: { in: ['a', 'b'] } } }, { data: { tier: { in: ['c'] } } }],
    'data.tier.in ["a","b"] and data.tier.in ["c"] exclude each other',
  ],
  [
    'a number and a text at one path',
    [{ data: { amount: { gt: 5 } } }, { data: { amount: { prefix: 'x' } } }],
    'data.amount.gt 5 and data.amount.prefix "x" exclude each other',
  ],
  [
    'not of the same clause',
    [{ prefix: { type: 'a' } }, { not: { prefix: { type: 'a' } } }],
    'not excludes what prefix.type "a" asks for',
  ],
  [
    'not of what follows from an exact value',
    [{ exact: { type: 'abc' } }, { not: { prefix: { type: 'a' } } }],
    'exact.type "abc" and not.prefix.type "a" exclude each other',
  ],
  [
    'not of an any that holds the clause',
    [
      { prefix: { type: 'a' } },
      { not: { any: [{ exact: { type: 'x' } }, { prefix: { type: 'a' } }] } },
    ],
    'not.any excludes what prefix.type "a" asks for',
  ],
  [
    'an expression that demands another value',
    [{ exact: { type: 'c' } }, { cesql: "EXISTS id AND type IN ('a', 'b')" }],
    'exact.type "c" and cesql on type in ["a","b"] exclude each other',
  ],
  [
    'an expression that demands two values at once',
    [{ cesql: "type = 'a' AND type = 'b'" }],
    'cesql on type in [] exclude each other',
  ],
  [
    'not of the same expression',
    [{ cesql: "type LIKE 'a%'" }, { not: { cesql: "type LIKE 'a%'" } }],
    'not excludes what cesql asks for',
  ],
  [
    'an any of which no branch is possible',
    [{ exact: { type: 'c' } }, { any: [{ exact: { type: 'a' } }, { exact: { type: 'b' } }] }],
    'no alternative of any is possible (exact.type "c" and any.0.exact.type "a" exclude each other)',
  ],
]

const POSSIBLE: Array<[says: string, filters: Filter[]]> = [
  ['none', []],
  ['a prefix that begins the other', [{ prefix: { type: 'a' } }, { prefix: { type: 'ab' } }]],
  ['a prefix that goes on from the other', [{ prefix: { type: 'ab' } }, { prefix: { type: 'a' } }]],
  ['a suffix that ends the other', [{ suffix: { type: 'ba' } }, { suffix: { type: 'a' } }]],
  ['a suffix that the other ends', [{ suffix: { type: 'a' } }, { suffix: { type: 'ba' } }]],
  ['a range of one value', [{ data: { n: { gte: 5, lte: 5 } } }]],
  [
    'one alternative of two',
    [{ exact: { type: 'a' } }, { any: [{ exact: { type: 'a' } }, { exact: { type: 'b' } }] }],
  ],
  [
    'an expression that takes one of the values',
    [{ exact: { type: 'c' } }, { cesql: "type = 'c' OR source = 'a'" }],
  ],
  ['not of another value', [{ exact: { type: 'a' } }, { not: { exact: { type: 'b' } } }]],
  [
    'not of only a part of what it names',
    [
      { prefix: { type: 'a' } },
      { not: { all: [{ prefix: { type: 'a' } }, { exists: { x: true } }] } },
    ],
  ],
]

describe('adviseFilters', () => {
  for (const [says, filters, advice] of IMPOSSIBLE) {
    it(`finds ${says}`, () => {
      assert.deepEqual(adviseFilters(filters), [`no event can match: ${advice}`])
    })
  }

  for (const [says, filters] of POSSIBLE) {
    it(`leaves alone: ${says}`, () => assert.deepEqual(adviseFilters(filters), []))
  }

  it("names CloudEvents 1.0's attribute where Knative's old name stands", () => {
    assert.deepEqual(adviseFilters([{ not: { prefix: { schemaurl: 'x' } } }]), [
      'not.prefix.schemaurl looks at dataschema, which is what CloudEvents 1.0 calls it; write dataschema',
    ])
  })

  it('says what is odd about an expression', () => {
    const rows: Array<[cesql: string, ...advice: string[]]> = [
      ["type = 'a' AND (x = '1' OR y = '2')"],
      ['1 = 1', 'not.cesql: looks at no attribute: every event passes'],
      ['1 / 0 = 1', 'not.cesql: looks at no attribute: no event passes'],
      [
        'urgent',
        'not.cesql: passes only where urgent is a Boolean, and what came in a header is a text; write urgent = TRUE',
      ],
      [
        'NOT x = 1',
        'not.cesql: NOT (column 1) binds more tightly than =; write NOT ( … ) around all that it is for',
      ],
    ]
    for (const [cesql, ...advice] of rows) {
      assert.deepEqual(adviseFilters([{ not: { cesql } }]), advice)
    }
  })

  it('never calls a filter impossible that an event passes', () => {
    let impossible = 0
    fc.assert(
      fc.property(
        filtersArbitrary,
        fc.array(eventArbitrary, { minLength: 5, maxLength: 20 }),
        (filters, events) => {
          if (!adviseFilters(filters).some((advice) => advice.startsWith('no event can'))) return
          impossible++
          for (const event of events) assert.equal(referenceMatches(event, filters), false)
        },
      ),
      { numRuns: 2_000 },
    )
    assert.ok(impossible > 50, `only ${impossible} impossible filters were made`)
  })
})
