import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeHeaderText, encodeHeaderText } from '../../../runtime/codec/header-text.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { attributeText } from '../../support/event-arbitraries.ts'

function decode(value: string): string {
  return decodeHeaderText('ce-subject', value)
}

test('H10 encodes space, quote, percent and all outside U+0021-007E as UTF-8', () => {
  assert.equal(encodeHeaderText('Euro € 😀'), 'Euro%20%E2%82%AC%20%F0%9F%98%80')
  assert.equal(encodeHeaderText('a "b" 100%'), 'a%20%22b%22%20100%25')
  assert.equal(encodeHeaderText('\u0001\u007f'), '%01%7F')
  assert.equal(
    encodeHeaderText("!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~",
  )
})

test('H11 encodes in upper-case hexadecimal', () => {
  assert.equal(encodeHeaderText('ê'), '%C3%AA')
})

test('H12 decodes lower-case hexadecimal and what needed no encoding', () => {
  assert.equal(decode('%e2%82%ac%41'), '€A')
})

test('H13 decodes exactly one round', () => {
  assert.equal(decode('%2541'), '%41')
})

for (const value of [
  '%C0%A0',
  '%FF',
  '%E2%82',
  'a%80b',
  '%ED%A0%80',
  '%E2é',
  '\xff',
  'é',
  '€',
  '\u0141',
]) {
  test(`H14 refuses ${JSON.stringify(value)}, which is not UTF-8`, () => {
    assert.throws(
      () => decode(value),
      (error: unknown) =>
        isMillraceError(error, 'FN_EVENT_INVALID') && /ce-subject/.test(error.message),
    )
  })
}

test('H15 unquotes a quoted string before it decodes', () => {
  assert.equal(decode('"a\\"b"'), 'a"b')
  assert.equal(decode('"a \\\\ b%20c"'), 'a \\ b c')
  assert.equal(decode('"%22"'), '"')
  assert.equal(decode('""'), '')
})

test('H15 leaves quotes alone that do not hold the whole value', () => {
  assert.equal(decode('say "hi" now'), 'say "hi" now')
  assert.equal(decode('"a" and "b"'), '"a" and "b"')
  assert.equal(decode('"open'), '"open')
  assert.equal(decode('"'), '"')
  assert.equal(decode('%22a%22'), '"a"')
})

test('H16 keeps a % that no two hexadecimal digits follow, and raw spaces', () => {
  assert.equal(decode('100%'), '100%')
  assert.equal(decode('100% of a%2'), '100% of a%2')
  assert.equal(decode('%%41%zz'), '%A%zz')
})

test('raw UTF-8 bytes, as some SDKs send them, are read as UTF-8', () => {
  assert.equal(decode(Buffer.from('Euro € 😀').toString('latin1')), 'Euro € 😀')
})

test('what is encoded decodes to itself and is printable ASCII without quotes and spaces', () => {
  fc.assert(
    fc.property(attributeText, (text) => {
      const value = encodeHeaderText(text)
      assert.match(value, /^[\x21\x23-\x7e]*$/)
      assert.equal(decode(value), text)
    }),
  )
})

test('any header value is read or refused with FN_EVENT_INVALID', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'%"\\aF0 \xe2\x82\xac\0'.split('')) }),
      (value) => {
        try {
          decode(value)
        } catch (error) {
          assert.ok(isMillraceError(error, 'FN_EVENT_INVALID'))
        }
      },
    ),
    { numRuns: 1_000 },
  )
})
