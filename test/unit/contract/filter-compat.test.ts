import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Ajv } from 'ajv'
import fc from 'fast-check'
import { Type } from 'typebox'
import type { Event } from '../../../runtime/contract/event.ts'
import { filterProblems, filtersOf } from '../../../runtime/contract/filter-check.ts'
import {
  kafkaExpression,
  type LooseFilter,
  plainFilters,
} from '../../../runtime/contract/filter-compat.ts'
import { checkMetadata } from '../../../runtime/contract/metadata-check.ts'
import { Filter } from '../../../runtime/contract/metadata.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { compileCesql } from '../../../runtime/filter/cesql/cesql.ts'
import { compileFilter } from '../../../runtime/filter/compile.ts'
import { LazyData } from '../../../runtime/filter/lazy-data.ts'
import { eventArbitrary } from '../../support/filter-arbitraries.ts'
import { writtenExpression } from '../../support/filter-cesql-arbitraries.ts'
import { type Expression, referenceCesql } from '../../support/filter-cesql-reference.ts'

const LOGIC = ['AND', 'OR', 'XOR']
const NOTHING = { not: { all: [] } }

const ROWS: Array<[says: string, filter: LooseFilter, plain: unknown[]]> = [
  ['an empty object passes', {}, []],
  ['an empty map passes', { exact: {} }, []],
  ['an empty value passes, whatever the event has', { exact: { x: '' } }, []],
  ['beside a value it is left out', { prefix: { x: '', type: 'a' } }, [{ prefix: { type: 'a' } }]],
  ['all of nothing passes', { all: [] }, []],
  ['any of nothing passes', { any: [] }, []],
  ['any with an alternative that passes', { any: [{ exact: { type: 'a' } }, {}] }, []],
  ['not of what passes lets nothing pass', { not: { exact: { x: '' } } }, [NOTHING]],
  ['nor does not of nothing', { not: {} }, [NOTHING]],
  [
    'several dialects of one object are ANDed',
    { exact: { type: 'a' }, suffix: { source: '/b' }, not: { prefix: { id: '1' } } },
    [{ exact: { type: 'a' } }, { suffix: { source: '/b' } }, { not: { prefix: { id: '1' } } }],
  ],
  [
    'also inside any and not',
    {
      any: [{ exact: { type: 'a', id: '1' } }],
      not: { exact: { type: 'a' }, prefix: { id: '1' } },
    },
    [
      { any: [{ all: [{ exact: { type: 'a' } }, { exact: { id: '1' } }] }] },
      { not: { all: [{ exact: { type: 'a' } }, { prefix: { id: '1' } }] } },
    ],
  ],
  ['an empty expression passes', { cesql: ' ' }, []],
  ['an expression that is a Boolean stays', { cesql: 'EXISTS x' }, [{ cesql: 'EXISTS x' }]],
  ['the value of another is cast', { cesql: 'x' }, [{ cesql: 'BOOL(x)' }]],
  [
    'logic goes from right to left',
    { cesql: 'a AND b AND c OR (d OR e AND f) AND g' },
    [{ cesql: 'a AND b AND (c OR ((d OR (e AND f)) AND g))' }],
  ],
]

describe('plainFilters', () => {
  for (const [says, filter, plain] of ROWS) {
    it(says, () => assert.deepEqual(plainFilters([filter]), plain))
  }

  it('lets pass what the rules of the Kafka broker let pass', () => {
    const accepts = new Ajv({ strict: true }).compile(Type.Array(Filter))
    fc.assert(
      fc.property(eventArbitrary, fc.array(loose(), { maxLength: 3 }), (event, filters) => {
        assert.deepEqual(filterProblems(filters, 'f', true), [])
        const plain = plainFilters(filters)
        assert.ok(accepts(plain))
        const passes = compileFilter(plain).matches(event, new LazyData(event))
        assert.equal(
          passes,
          filters.every((filter) => kafkaPasses(filter, event)),
        )
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('kafkaExpression', () => {
  it('means what the expression means from right to left', () => {
    let changed = 0
    fc.assert(
      fc.property(eventArbitrary, writtenExpression, (event, { expression, text }) => {
        const expected = referenceCesql(fromRight(expression), event)
        const ordered = kafkaExpression(text)
        if (ordered !== text && !ordered.startsWith('BOOL')) changed++
        const wanted =
          expected.error === null &&
          (typeof expected.value === 'string'
            ? expected.value.toLowerCase() === 'true'
            : Boolean(expected.value))
        assert.equal(compileCesql(ordered).evaluate(event.attributes) === true, wanted, ordered)
      }),
      { numRuns: 2_000 },
    )
    assert.ok(changed > 20, `only ${changed} were changed`)
  })
})

describe("filterCompat: 'knative-kafka'", () => {
  it('leaves empty values of filter.attributes out', () => {
    const filter = { attributes: { type: 'a', priority: '' } }
    const trigger = { filter, filterCompat: 'knative-kafka' } as const
    assert.deepEqual(filtersOf(trigger, 't'), { filters: [{ exact: { type: 'a' } }] })
  })

  it('keeps the precedence: filters that are not empty win, whatever becomes of them', () => {
    const trigger = {
      filter: { attributes: { type: 'a' } },
      filterCompat: 'knative-kafka',
    } as const
    const { filters, warning = '' } = filtersOf({ ...trigger, filters: [{ all: [] }] }, 't')
    assert.deepEqual(filters, [])
    assert.match(warning, /^t\.filter is ignored/)
    assert.deepEqual(filtersOf({ ...trigger, filters: [] }, 't').filters, [
      { exact: { type: 'a' } },
    ])
  })

  it('is taken by the check of the metadata, and the manifest has the plain filters', () => {
    const filters = [{ exact: { type: 'a' }, prefix: { source: '' } }, { any: [] }, { cesql: 'x' }]
    const trigger = { broker: 'events/b', filters }
    const origin = { file: 'functions/a.ts', functionName: 'a' }
    const compat = { ...trigger, filterCompat: 'knative-kafka' }
    assert.deepEqual(checkMetadata({ triggers: [compat] }, origin).triggers[0]?.filters, [
      { exact: { type: 'a' } },
      { cesql: 'BOOL(x)' },
    ])
    assert.throws(
      () => checkMetadata({ triggers: [trigger] }, origin),
      (error) => isMillraceError(error, 'FN_FILTER_INVALID'),
    )
    assert.throws(
      () => checkMetadata({ triggers: [{ ...trigger, filterCompat: 'knative' }] }, origin),
      /triggers\[0\]\.filterCompat must be "knative-kafka", but is "knative"/,
    )
  })

  it('still refuses what means nothing to the Kafka broker either', () => {
    const rows: Array<[filter: unknown, problem: string]> = [
      [{ exat: { type: 'a' } }, 'f[0].exat is not known; did you mean "exact"?'],
      [{ exact: { Type: '' } }, 'f[0].exact: "Type" is no attribute name; did you mean "type"?'],
      [{ exact: { type: 5 } }, 'f[0].exact.type must be a string, but is 5'],
      [{ exact: ['a'] }, 'f[0].exact must be an object, but is ["a"]'],
      [{ all: {} }, 'f[0].all must be an array, but is {}'],
      [{ any: [{ not: 5 }] }, 'f[0].any[0].not must be an object, but is 5'],
      [{ cesql: 'x =' }, 'f[0].cesql: line 1, column 4: expected a value, found the end'],
      [
        { cesql: 'NOPE(x)' },
        'f[0].cesql: line 1, column 1: there is no function NOPE; there are LENGTH, LOWER, UPPER, TRIM, LEFT, RIGHT, CONCAT, CONCAT_WS, SUBSTRING, ABS, INT, BOOL, STRING, IS_INT, IS_BOOL',
      ],
      [
        { cesql: `x${' '.repeat(65_535)}` },
        'f[0].cesql: the expression has 65542 characters; at most 65536 are taken',
      ],
      [{ exists: {} }, 'f[0].exists is empty; name an attribute or remove it'],
      [{ data: {} }, 'f[0].data is empty; name a path of the data or remove it'],
    ]
    for (const [filter, problem] of rows) {
      assert.deepEqual(filterProblems([filter], 'f', true), [problem])
    }
  })
})

/** The tree that another associativity of the logic operators makes of the same text. */
function fromRight(node: Expression): Expression {
  switch (node.is) {
    case 'literal':
    case 'attribute':
    case 'exists':
      return node
    case 'NOT':
    case '-':
      return { ...node, of: fromRight(node.of) }
    case 'LIKE':
      return { ...node, of: fromRight(node.of) }
    case 'IN':
      return { ...node, of: fromRight(node.of), choices: node.choices.map(fromRight) }
    case 'call':
      return { ...node, args: node.args.map(fromRight) }
    case 'binary': {
      const { operator, left, right } = node
      if (!LOGIC.includes(operator)) {
        return { is: 'binary', operator, left: fromRight(left), right: fromRight(right) }
      }
      let tree: Expression = fromRight(right)
      let before = operator
      let rest = left
      // What stands on the left without brackets.
      while (isLogic(rest)) {
        tree = { is: 'binary', operator: before, left: fromRight(rest.right), right: tree }
        before = rest.operator
        rest = rest.left
      }
      return { is: 'binary', operator: before, left: fromRight(rest), right: tree }
    }
  }
}

function isLogic(node: Expression): node is Expression & { is: 'binary' } {
  return node.is === 'binary' && LOGIC.includes(node.operator)
}

/** The rules as they stand in the facts about Knative, one by one. */
function kafkaPasses(filter: LooseFilter, event: Event): boolean {
  const { exact = {}, prefix = {}, suffix = {}, all = [], any = [], not } = filter
  const every = (map: Record<string, string>, test: (has: string, want: string) => boolean) =>
    Object.entries(map).every(([name, want]) => {
      if (want === '') return true
      const has = Object.hasOwn(event.attributes, name) ? event.attributes[name] : undefined
      return has !== undefined && test(String(has), want)
    })
  return (
    every(exact, (has, want) => has === want) &&
    every(prefix, (has, want) => has.startsWith(want)) &&
    every(suffix, (has, want) => has.endsWith(want)) &&
    all.every((one) => kafkaPasses(one, event)) &&
    (any.length === 0 || any.some((one) => kafkaPasses(one, event))) &&
    (not === undefined || !kafkaPasses(not, event))
  )
}

function loose(depth = 2): fc.Arbitrary<LooseFilter> {
  const map = fc.dictionary(
    fc.constantFrom('type', 'source', 'subject', 'priority'),
    fc.constantFrom('a', 'ab', 'b', ''),
    { maxKeys: 2 },
  )
  const flat = { exact: map, prefix: map, suffix: map }
  if (depth === 0) return fc.record(flat, { requiredKeys: [] })
  const inner = loose(depth - 1)
  const list = fc.array(inner, { maxLength: 2 })
  return fc.record({ ...flat, all: list, any: list, not: inner }, { requiredKeys: [] })
}
