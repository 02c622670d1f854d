import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { compileCesql } from '../../../../runtime/filter/cesql/cesql.ts'
import { isFailure } from '../../../../runtime/filter/cesql/value.ts'
import { eventArbitrary } from '../../../support/filter-arbitraries.ts'
import { writtenExpression } from '../../../support/filter-cesql-arbitraries.ts'
import { referenceCesql } from '../../../support/filter-cesql-reference.ts'

type Case = [expression: string, value: unknown, error?: string]

const EVENT = {
  specversion: '1.0',
  id: 'A-1',
  source: '/shop',
  type: 'com.example.created',
  text: '05',
  number: 5,
  big: 4_294_967_296,
  flag: true,
  smile: 'a😀b',
}

const CASES: Record<string, Case[]> = {
  'integers have 32 bits': [
    ['2147483647 + 1', 0, 'math'],
    ['-2147483648 - 1', 0, 'math'],
    ['65536 * 65536', 0, 'math'],
    ['-2147483648 / -1', 0, 'math'],
    ['-2147483648 % -1', 0],
    ['-(-2147483648)', 0, 'math'],
    ['-7 / 2', -3],
    ['-7 % 2', -1],
    ['7 % -2', 1],
    ['0 * -1', 0],
    ["INT('2147483648')", 0, 'cast'],
    ["INT('+0012')", 12],
    ["INT('1 ')", 0, 'cast'],
    ["INT('')", 0, 'cast'],
    ['+5', 5],
    ['4 -1', 3],
    ['4--1', 5],
  ],
  'operators bind by their rank and go from left to right': [
    ['1 + 2 * 3 = 7', true],
    ['10 - 2 - 3', 5],
    ['TRUE OR TRUE AND FALSE', false],
    ['TRUE OR (TRUE AND FALSE)', true],
    ['FALSE AND TRUE OR TRUE', true],
    ['TRUE XOR TRUE XOR TRUE', true],
    ['NOT TRUE = FALSE', true],
    ["NOT type = 'a'", false, 'cast'],
    ['1 + 2 IN (2, 3) = 2', true],
    ["-5 LIKE '-_'", true],
    ['1 < 2 = TRUE', true],
  ],
  'equality casts the left side, IN casts the choices': [
    ['text = 5', true],
    ["5 = '05'", false],
    ["5 IN ('05')", true],
    ['text IN (5)', false],
    ["number = '05'", false],
    ["number IN ('05')", true],
    ["'abc' = 5", false, 'cast'],
    ["'abc' != 5", false, 'cast'],
    ["1 IN (1, 'a')", true],
    ["1 IN ('a', 1)", false, 'cast'],
    ["1 NOT IN ('a', 1)", false, 'cast'],
    ['1 NOT IN (2, 3)', true],
    ['flag = TRUE', true],
    ["flag = 'true'", true],
    ["'TRUE' = flag", true],
  ],
  'an attribute keeps its type, and what CESQL has no type for is text': [
    ['number', 5],
    ['big', '4294967296'],
    ['LENGTH(big)', 10],
    ['SOURCE', '/shop'],
    ['constructor', false, 'missingAttribute'],
    ['EXISTS constructor', false],
    ['EXISTS Number', true],
  ],
  'the first error ends it': [
    ['missing = 1 OR TRUE', false, 'missingAttribute'],
    ['TRUE OR missing', true],
    ['FALSE AND missing', false],
    ['missing + 1 > 0', false, 'missingAttribute'],
    ['NOT (missing = 1)', false, 'missingAttribute'],
    ["missing NOT LIKE 'a'", false, 'missingAttribute'],
    ['missing NOT IN (1)', false, 'missingAttribute'],
    ['CONCAT(missing)', '', 'missingAttribute'],
    ["LENGTH(LEFT('abc', -1))", 0, 'functionEvaluation'],
    ['1 / 0 + missing', 0, 'math'],
    ['NOPE(missing)', false, 'missingFunction'],
    ['LENGTH()', false, 'missingFunction'],
    ['UPPER(type, type)', false, 'missingFunction'],
    ["NOT 'yes'", false, 'cast'],
  ],
  LIKE: [
    ["smile LIKE 'a_b'", true],
    ["smile LIKE '%_b'", true],
    ["smile LIKE '%a_b'", true],
    ["smile LIKE '%a__b'", false],
    ["smile LIKE '_%_%_'", true],
    ["smile LIKE '____'", false],
    ["'a%b' LIKE 'a\\%b'", true],
    ["'axb' LIKE 'a\\%b'", false],
    ["'a\\b' LIKE 'a\\b'", true],
    ["'ab' LIKE 'a%ab'", false],
    ["'aab' LIKE 'a%ab'", true],
    ["'' LIKE ''", true],
    ["'' LIKE '%'", true],
    ["'a' LIKE ''", false],
    ["'ABC' LIKE 'abc'", false],
    ["'a.c' LIKE 'a_c'", true],
    ["'abcabc' LIKE '%b_a%'", true],
    ["'abc' LIKE '%_%'", true],
    ["'line\nbreak' LIKE 'line%break'", true],
  ],
  'functions count characters': [
    ['LENGTH(smile)', 3],
    ['LEFT(smile, 2)', 'a😀'],
    ['RIGHT(smile, 2)', '😀b'],
    ['RIGHT(smile, 0)', ''],
    ['SUBSTRING(smile, 3)', 'b'],
    ['SUBSTRING(smile, -2, 1)', '😀'],
    ["SUBSTRING('abc', 2, 0)", ''],
    ["SUBSTRING('abc', 2, -1)", '', 'functionEvaluation'],
    ["SUBSTRING('abc', 2, 2147483647)", 'bc'],
    ["SUBSTRING('abc', -3)", 'abc'],
    ["SUBSTRING('', 0)", ''],
    ["CONCAT_WS('-', 1, TRUE, 'a')", '1-true-a'],
    ["UPPER('straße')", 'STRASSE'],
    ["TRIM('\u0085\u3000a b\u00a0')", 'a b'],
    ["TRIM('\ufeffa\u0007')", '\ufeffa\u0007'],
    ["TRIM(' \t ')", ''],
    ["IS_INT('5')", true],
    ["IS_INT('x')", false],
    ['IS_INT(TRUE)', true],
    ["IS_BOOL('False')", true],
    ["IS_BOOL('0')", false],
    ['is_bool(0)', true],
    ['STRING(-0)', '0'],
  ],
}

describe('CESQL', () => {
  for (const [says, cases] of Object.entries(CASES)) {
    it(says, () => {
      for (const [expression, value, error = null] of cases) {
        assert.deepEqual(run(expression, EVENT), { value, error }, expression)
      }
    })
  }

  it('agrees with the reference on any event and any expression, however it is written', () => {
    const seen = new Map<string, number>()
    fc.assert(
      fc.property(eventArbitrary, writtenExpression, (event, { expression, text }) => {
        const expected = referenceCesql(expression, event)
        const kind = expected.error ?? typeof expected.value
        seen.set(kind, (seen.get(kind) ?? 0) + 1)
        assert.deepEqual(run(text, event.attributes), expected, text)
      }),
      { numRuns: 5_000 },
    )
    for (const kind of ['boolean', 'string', 'number', 'math', 'cast', 'missingAttribute']) {
      assert.ok((seen.get(kind) ?? 0) > 10, `${kind} came ${seen.get(kind) ?? 0} times`)
    }
  })

  it('joins no text beyond a million characters', () => {
    const attributes = { subject: 'x'.repeat(600_000) }
    const { value, error } = run('CONCAT(subject, subject)', attributes)
    assert.deepEqual({ value, error }, { value: '', error: 'functionEvaluation' })
    assert.equal(run('LENGTH(CONCAT(subject))', attributes).value, 600_000)
    const many = `CONCAT_WS(subject${', 1'.repeat(20_000)})`
    assert.equal(run(many, attributes).error, 'functionEvaluation')
  })

  it('takes a thousand terms without a deeper stack', () => {
    for (const operator of [' OR ', ' AND ', ' XOR ', ' + ', ' = ']) {
      assert.doesNotThrow(() => run(Array.from({ length: 10_000 }, () => '1').join(operator), {}))
    }
  })

  it('is done in no time with a text made to keep a pattern busy', () => {
    const subject = 'a'.repeat(500_000)
    const { value } = run("subject LIKE '%a%a%a%a%a%a%a%b'", { subject })
    assert.equal(value, false)
    assert.equal(
      run('LENGTH(TRIM(subject))', { subject: `x${' '.repeat(500_000)}x` }).value,
      500_002,
    )
  })
})

function run(expression: string, attributes: Record<string, unknown>) {
  const outcome = compileCesql(expression).evaluate(attributes)
  return isFailure(outcome)
    ? { value: outcome.value, error: outcome.kind }
    : { value: outcome, error: null }
}
