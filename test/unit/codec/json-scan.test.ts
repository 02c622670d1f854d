import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { arrayElements, isJsonText, objectMembers } from '../../../runtime/codec/json-scan.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { jsonText } from '../../support/event-arbitraries.ts'

const VALID = [
  '0',
  '-0',
  '10',
  '-1.5e+10',
  '1E400',
  '0.0',
  'true',
  'false',
  'null',
  '""',
  '"\\u00e9\\n\\/"',
  '"é😀"',
  '[]',
  '{}',
  ' \t\r\n[ ] ',
  '[1,[2,{"a":[]}]]',
  '{"a":{"b":null} , "a" : 1}',
  '[[],{}]',
]
const INVALID = [
  '',
  ' ',
  '+1',
  '01',
  '-',
  '1.',
  '.5',
  '1e',
  '1e+',
  'tru',
  'nul',
  'True',
  "'a'",
  '"',
  '"\\',
  '"\\u12g4"',
  '"\\u123',
  '"\\x"',
  '"\n"',
  '"\u0000"',
  '[',
  '[1',
  '[1,',
  '[1,]',
  '[,1]',
  '{',
  '{"a"',
  '{"a":',
  '{"a":1',
  '{"a":1,',
  '{"a":1,}',
  '{a:1}',
  '{"a" 1}',
  '[1}',
  '{"a":1]',
  '1 2',
  '1},{"x":2',
  ']',
  '}',
  ',',
  '[1]]',
  '{"a":1}}',
  '\uFEFF1',
  '1\u00a0',
  '{1:2}',
  '[{"a":1,"b"}]',
  'nulll',
  '-a',
  '[1 2]',
  '{,}',
]

for (const text of VALID) {
  test(`${JSON.stringify(text)} is a JSON text`, () => {
    assert.equal(isJsonText(Buffer.from(text)), true)
    JSON.parse(text)
  })
}

for (const text of INVALID) {
  test(`${JSON.stringify(text)} is no JSON text`, () => {
    assert.equal(isJsonText(Buffer.from(text)), false)
    assert.throws(() => JSON.parse(text))
  })
}

test('bytes that are not UTF-8 are no JSON text', () => {
  assert.equal(isJsonText(Buffer.from([0x22, 0xc0, 0xa0, 0x22])), false)
})

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

test('what is a JSON text is what JSON.parse takes, for valid texts with a character changed', () => {
  fc.assert(
    fc.property(
      jsonText,
      fc.nat(),
      fc.constantFrom('', ...'{}[]",:\\0123456789-+.eEtfnu \n\té'.split('')),
      fc.boolean(),
      (text, where, character, replaces) => {
        const at = where % (text.length + 1)
        const changed = text.slice(0, at) + character + text.slice(replaces ? at + 1 : at)
        // A lone surrogate has no UTF-8, so the bytes would be another text.
        fc.pre(changed.isWellFormed())
        assert.equal(isJsonText(Buffer.from(changed)), parses(changed), changed)
      },
    ),
    { numRuns: 3_000 },
  )
})

test('any bytes get an answer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const text = Buffer.from(bytes)
      for (const scan of [objectMembers, arrayElements]) {
        try {
          scan(text, 0, text.length)
        } catch (error) {
          assert.ok(isMillraceError(error, 'FN_EVENT_INVALID'))
        }
      }
      isJsonText(text)
    }),
  )
})

test('the members of an object are found with the extents of names and values', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), jsonText)), (pairs) => {
      const text = Buffer.from(
        ` { ${pairs.map(([name, value]) => `${JSON.stringify(name)} :\n${value}`).join(' , ')} } `,
      )
      const found = objectMembers(text, 0, text.length)
      assert.equal(found.length, pairs.length * 4)
      for (const [i, [name, value]] of pairs.entries()) {
        const [nameStart = 0, nameEnd = 0, start, end] = found.slice(i * 4, i * 4 + 4)
        assert.equal(text.toString('utf8', nameStart - 1, nameEnd + 1), JSON.stringify(name))
        assert.equal(text.toString('utf8', start, end), Buffer.from(value.trim()).toString())
      }
    }),
  )
})

test('the elements of an array are found with their extents', () => {
  const text = Buffer.from('[ 1 , "a,]" ,{"b":[2]},[] ]')
  const found = arrayElements(text, 0, text.length)
  const elements: string[] = []
  for (let i = 0; i < found.length; i += 2) {
    elements.push(text.toString('utf8', found[i], found[i + 1]))
  }
  assert.deepEqual(elements, ['1', '"a,]"', '{"b":[2]}', '[]'])
  assert.deepEqual(arrayElements(Buffer.from(' [ ] '), 0, 5), [])
})

test('an extent inside a larger text ends where it is told to', () => {
  const text = Buffer.from('[{"a":1},{"b":2}]')
  assert.equal(objectMembers(text, 1, 8).length, 4)
  assert.throws(() => objectMembers(text, 1, 7), /cut off|expected/)
  assert.throws(() => objectMembers(text, 1, 9), /end of the JSON text/)
})

for (const [text, said] of [
  ['{"a":1 "b":2}', /byte 7: expected "," or "}"/],
  ['{"a":tru}', /byte 8/],
  ['{"a":', /cut off at byte 5/],
  ['[1]', /byte 0: expected a JSON object/],
  ['', /no bytes/],
  ['{}x', /byte 2: expected the end/],
] as const) {
  test(`the error about ${JSON.stringify(text)} says where and what`, () => {
    assert.throws(() => objectMembers(Buffer.from(text), 0, text.length), said)
  })
}

test('a million levels of nesting neither overflow the stack nor pass for another text', () => {
  const levels = 1_000_000
  assert.equal(isJsonText(Buffer.from('['.repeat(levels))), false)
  assert.equal(isJsonText(Buffer.from('['.repeat(levels) + ']'.repeat(levels))), true)
  assert.equal(isJsonText(Buffer.from('{"a":'.repeat(levels) + '1' + '}'.repeat(levels))), true)
})

test('mixed nesting of any depth closes in its own order', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 200 }), fc.nat(), (kinds, where) => {
      const open = kinds.map((isObject) => (isObject ? '{"k":' : '[')).join('')
      const close = kinds.toReversed().map((isObject) => (isObject ? '}' : ']'))
      assert.equal(isJsonText(Buffer.from(`${open}0${close.join('')}`)), true)
      fc.pre(kinds.length > 0)
      const at = where % close.length
      close[at] = close[at] === '}' ? ']' : '}'
      assert.equal(isJsonText(Buffer.from(`${open}0${close.join('')}`)), false)
    }),
  )
})
