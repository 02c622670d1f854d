import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isMillraceError } from '../../../../runtime/errors.ts'
import { cesqlProblems, compileCesql } from '../../../../runtime/filter/cesql/cesql.ts'
import { MAX_DEPTH, parseCesql } from '../../../../runtime/filter/cesql/parser.ts'

const FAULTS: Array<[expression: string, message: string]> = [
  ['', 'line 1, column 1: expected a value, found the end'],
  ['type =', 'line 1, column 7: expected a value, found the end'],
  ["type = 'a' AND\n  OR", 'line 2, column 3: expected a value, found "OR"'],
  ["type 'a'", 'line 1, column 6: expected an operator or the end, found "a"'],
  ['type == 5', 'line 1, column 7: expected a value, found "="'],
  ['(type', 'line 1, column 6: expected an operator or ")", found the end'],
  ['ABC(', 'line 1, column 5: expected a value, found the end'],
  ['ABC(1 2)', 'line 1, column 7: expected an operator, "," or ")", found "2"'],
  ['a IN ()', 'line 1, column 7: expected a value, found ")"'],
  ['a IN 5', 'line 1, column 6: expected "(" and a list of values, found "5"'],
  ['a LIKE 123', 'line 1, column 8: expected a pattern in quotes such as \'com.%\', found "123"'],
  ['a NOT 5', 'line 1, column 7: expected LIKE or IN after NOT, found "5"'],
  ['EXISTS (a)', 'line 1, column 8: expected an attribute name, found "("'],
  ['EXISTS IN', 'line 1, column 8: expected an attribute name, found "IN"'],
  ["'it''s' = a", 'line 1, column 5: expected an operator or the end, found "s"'],
  [
    "a = 'x\\'",
    "line 1, column 5: the text that begins with ' does not end; inside it, ' is written \\'",
  ],
  ['a = 2147483648', 'line 1, column 5: 2147483648 is no integer of 32 bits'],
  ['a = -2147483649', 'line 1, column 6: -2147483649 is no integer of 32 bits'],
  ['a_b = 1', 'line 1, column 1: a_b is no attribute name: those are made of a-z and 0-9'],
  ['a.b = 1', 'line 1, column 2: "." is no part of the language'],
  ['a = 1;', 'line 1, column 6: ";" is no part of the language'],
  ['😀 = 1', 'line 1, column 1: "😀" is no part of the language'],
  ['a = 1.5', 'line 1, column 6: "." is no part of the language'],
  ['f1(2)', 'line 1, column 3: expected an operator or the end, found "("'],
]

const DOUBTS: Array<[expression: string, doubts: string[]]> = [
  [
    "type = 'a' AND EXISTS my-ext",
    [
      'my-ext (column 23) takes ext from my, since no attribute has a "-" in its name; put spaces around it if that is meant',
    ],
  ],
  ['hops - 1 > ttl - used', []],
  ["subject = 'my-ext' AND a -1 = 2", []],
  ['a = 1 AND b = 2 AND c = 3', []],
  ['(a = 1 OR b = 2) AND c = 3', []],
  ['NOT (a = 1)', []],
  ['NOT a AND b', []],
  ['(NOT a) = b', []],
  ['NOT EXISTS a', []],
  [
    'a = 1 OR b = 2 AND c = 3',
    [
      'OR and AND bind equally and go from left to right (column 7), in Knative from right to left; say with brackets what belongs together',
    ],
  ],
  [
    "type = 'a' AND NOT b LIKE 'x%'",
    ['NOT (column 16) binds more tightly than LIKE; write NOT ( … ) around all that it is for'],
  ],
  [
    'NOT a = 1',
    ['NOT (column 1) binds more tightly than =; write NOT ( … ) around all that it is for'],
  ],
]

describe('parseCesql', () => {
  for (const [expression, message] of FAULTS) {
    it(`says what is wrong with ${JSON.stringify(expression)}`, () => {
      assert.throws(
        () => parseCesql(expression),
        (error) => {
          assert.ok(isMillraceError(error, 'FN_FILTER_INVALID'))
          assert.equal(error.message, message)
          return true
        },
      )
    })
  }

  for (const [expression, doubts] of DOUBTS) {
    it(`has ${doubts.length === 0 ? 'no ' : ''}doubts about ${expression}`, () => {
      assert.deepEqual(parseCesql(expression).doubts, doubts)
    })
  }

  it('bounds how deep an expression is, and says so', () => {
    const deep: Array<(depth: number) => string> = [
      (depth) => `${'('.repeat(depth)}a${')'.repeat(depth)}`,
      (depth) => `${'NOT '.repeat(depth)}a`,
      (depth) => `${'-'.repeat(depth)}a`,
      (depth) => `${'UPPER('.repeat(depth)}a${')'.repeat(depth)}`,
      (depth) => `${'a IN ('.repeat(depth)}a${')'.repeat(depth)}`,
    ]
    for (const nested of deep) {
      assert.doesNotThrow(() => compileCesql(nested(MAX_DEPTH)).evaluate({ a: '1' }))
      for (const depth of [MAX_DEPTH + 1, 5_000]) {
        assert.throws(() => parseCesql(nested(depth)), /too many brackets and operators/)
      }
    }
    const suffixes = (count: number): string => `a${" LIKE 'a'".repeat(count)}`
    assert.equal(compileCesql(suffixes(5 * MAX_DEPTH)).evaluate({ a: 'a' }), false)
    assert.throws(() => parseCesql(suffixes(5 * MAX_DEPTH + 1)), /too many brackets/)
  })

  it('refuses an expression that nobody wrote by hand', () => {
    assert.throws(
      () => parseCesql(`a = '${'x'.repeat(70_000)}'`),
      /the expression has 70006 characters; at most 65536 are taken/,
    )
  })

  it('takes the longest expression, whatever it is made of', () => {
    for (const part of ['a AND ', '1, ', "'a' ", '( ', '\\', '"']) {
      const expression = part.repeat(Math.floor(65_536 / part.length))
      assert.throws(
        () => parseCesql(expression),
        (error) => isMillraceError(error),
      )
    }
  })
})

describe('cesqlProblems', () => {
  const rows: Array<[expression: string, problems: string[]]> = [
    ['type', []],
    ["type = 'a' AND LENGTH(id) > 5", []],
    ['BOOL(x)', []],
    [
      'TRUE OR\n LENGHT(id) = 1',
      ['line 2, column 2: there is no function LENGHT; did you mean LENGTH?'],
    ],
    [
      'LEFT(id) = ABS()',
      [
        'line 1, column 1: LEFT takes 2 arguments, not 1',
        'line 1, column 12: ABS takes 1 argument, not 0',
      ],
    ],
    ["SUBSTRING(id) = ''", ['line 1, column 1: SUBSTRING takes 2 or 3 arguments, not 1']],
    ["CONCAT_WS() = ''", ['line 1, column 1: CONCAT_WS takes 1 or more arguments, not 0']],
    [
      '1 + 1',
      [
        'the value is of the type Integer, and only TRUE lets an event pass; compare it with something',
      ],
    ],
    [
      "'true'",
      [
        'the value is of the type String, and only TRUE lets an event pass; compare it with something',
      ],
    ],
  ]
  for (const [expression, problems] of rows) {
    it(`has ${problems.length} problems with ${JSON.stringify(expression)}`, () => {
      assert.deepEqual(cesqlProblems(parseCesql(expression).root), problems)
    })
  }
})
