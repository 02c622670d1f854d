import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Filter } from '../../../runtime/contract/metadata.ts'
import { filtersInWords } from '../../../runtime/filter/in-words.ts'

const CASES: Array<[Filter[], string]> = [
  [[], ''],
  [[{ exact: { type: 'a', source: 'b' } }], 'type is "a" and source is "b"'],
  [
    [{ prefix: { type: 'a' } }, { suffix: { type: 'z' } }],
    'type begins with "a" and type ends with "z"',
  ],
  [
    [{ any: [{ exact: { type: 'a' } }, { exact: { type: 'b', source: 's' } }] }],
    'type is "a" or (type is "b" and source is "s")',
  ],
  [[{ not: { exists: { key: true, other: false } } }], 'not (has key and has no other)'],
  [
    [{ data: { 'a.b': { in: [1, 2] } } }, { cesql: 'x = 1 OR y = 2' }],
    'data.a.b is one of [1,2] and (x = 1 OR y = 2)',
  ],
  [[{ all: [{ exact: { type: 'a' } }, { any: [{ cesql: 'TRUE' }] }] }], 'type is "a" and (TRUE)'],
]

for (const [filters, words] of CASES) {
  it(`says ${words === '' ? 'nothing of no filter' : words}`, () => {
    assert.equal(filtersInWords(filters), words)
  })
}
