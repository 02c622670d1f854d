import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { attributeNameAt } from '../../../runtime/codec/attribute-name.ts'
import { canonicalText, checkAttributes } from '../../../runtime/codec/attributes.ts'
import { isMillraceError } from '../../../runtime/errors.ts'

const BASE = { specversion: '1.0', id: 'A-1', source: '/shop', type: 'com.example.t' }

function accepts(more: Record<string, unknown>): void {
  assert.deepEqual(checkAttributes({ ...BASE, ...more }), { ...BASE, ...more })
}

function refuses(raw: Record<string, unknown>, ...said: RegExp[]): void {
  assert.throws(
    () => checkAttributes(raw),
    (error: unknown) => {
      assert.ok(isMillraceError(error, 'FN_EVENT_INVALID'), String(error))
      for (const words of said) assert.match(error.message, words)
      assert.ok(error.message.length < 300)
      return true
    },
  )
}

describe('required attributes', () => {
  for (const name of ['specversion', 'id', 'source', 'type']) {
    test(`C1 refuses an event without ${name}, and an empty ${name}`, () => {
      const { [name as 'id']: _, ...rest } = BASE
      refuses(rest, new RegExp(`lacks "${name}"`), /ce-/)
      refuses({ ...BASE, [name]: '' }, new RegExp(`"${name}" is ""`))
      refuses({ ...BASE, [name]: null }, new RegExp(`lacks "${name}"`))
      refuses({ ...BASE, [name]: 1 }, new RegExp(`"${name}" is 1`))
    })
  }

  test('C2 refuses a specversion other than exactly 1.0', () => {
    for (const specversion of ['0.3', '1.0.2', '1', 1, '1.0 ']) {
      refuses({ ...BASE, specversion }, /"specversion" is/, /expected "1\.0"/)
    }
  })
})

describe('names', () => {
  for (const name of ['My-Ext', 'a_b', 'é', '', 'A', 'a b', '__proto__', 'ａ', 'a\n']) {
    test(`C3 refuses the attribute name ${JSON.stringify(name)}`, () => {
      refuses({ ...BASE, ...JSON.parse(`{${JSON.stringify(name)}:"x"}`) }, /Attribute name/, /a-z/)
    })
  }

  test('C3 takes any name of a-z and 0-9, also one that objects inherit', () => {
    accepts({ a: 'x', constructor: 'x', '0': 'x', ext1: 'x', '5a': 'x' })
  })

  test('C4 refuses an attribute named data', () => {
    refuses({ ...BASE, data: 'x' }, /"data" is no attribute name/)
  })

  test('C5 takes names that are longer than 20 characters or begin with a digit', () => {
    accepts({ a23456789012345678901: 'x', '1st': 'x' })
  })

  test('names are told apart by their bytes, also when thousands of them come', () => {
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 6_000; i++) {
        const name = `x${i.toString(36)}`
        const bytes = Buffer.from(`ce_${name}`)
        assert.equal(attributeNameAt(bytes, 3, bytes.length).name, name)
      }
    }
  })
})

describe('values', () => {
  test('C7 takes integers of 32 bits and refuses integers outside int32', () => {
    accepts({ low: -2_147_483_648, high: 2_147_483_647, zero: 0 })
    refuses({ ...BASE, ext: 2_147_483_648 }, /"ext" is 2147483648/, /2147483647/)
    refuses({ ...BASE, ext: -2_147_483_649 }, /"ext" is -2147483649/)
  })

  test('C8 refuses fractions, NaN, objects, arrays and what JSON does not have', () => {
    for (const ext of [
      1.5,
      Number.NaN,
      Infinity,
      {},
      ['a'],
      1n,
      Symbol('x'),
      () => 0,
      new Date(),
    ]) {
      refuses({ ...BASE, ext }, /Attribute "ext" is/, /expected/)
    }
  })

  test('C8 takes strings, integers and booleans and keeps their types', () => {
    accepts({ a: 'x', b: 5, c: true, d: false, e: '' })
  })

  test('a negative zero becomes zero, since no binding can write it', () => {
    const attributes = checkAttributes({ ...BASE, ext: -0 })
    assert.ok(Object.is(attributes['ext'], 0))
  })

  for (const text of ['\0', 'a\tb', '\u001f', '\u007f', '\u0085', '\u009f']) {
    test(`C9 refuses the control character ${JSON.stringify(text)}`, () => {
      refuses({ ...BASE, subject: text }, /"subject"/, /U\+00/)
    })
  }

  for (const text of [
    '\udead',
    'a\ud800',
    '\ufdd0',
    '\ufdef',
    '\ufffe',
    '\uffff',
    '\u{1fffe}',
    '\u{10ffff}',
  ]) {
    test(`C10 refuses ${JSON.stringify(text)}, a lone surrogate or noncharacter`, () => {
      refuses({ ...BASE, subject: text }, /"subject"/, /U\+/)
    })
  }

  test('C10 takes surrogate pairs and all other characters', () => {
    accepts({ subject: '\ud800\udead', ext: 'Euro € 😀 \u00a0 \u{10fffd}' })
  })

  test('C11 writes booleans and integers in their canonical text', () => {
    assert.equal(canonicalText(true), 'true')
    assert.equal(canonicalText(false), 'false')
    assert.equal(canonicalText(-2_147_483_648), '-2147483648')
    assert.equal(canonicalText('True'), 'True')
  })

  test('C12 refuses a time that is not RFC 3339', () => {
    for (const time of ['yesterday', '2026-01-02', '', 5, '2026-02-30T00:00:00Z']) {
      refuses({ ...BASE, time }, /"time" is/, /RFC 3339/)
    }
  })

  test('C13 leaves absent attributes absent, and null and undefined unset', () => {
    const attributes = checkAttributes({ ...BASE, time: null, subject: undefined, ext: null })
    assert.deepEqual(Object.keys(attributes), ['specversion', 'id', 'source', 'type'])
  })

  test('C14 keeps the text of a time: its offset and all its fractions', () => {
    accepts({ time: '2018-04-05T17:31:24.123456789+02:00' })
    accepts({ time: '2018-04-05T17:31:00Z' })
  })

  test('C15 refuses a dataschema that is no absolute URI', () => {
    for (const dataschema of [
      '',
      '/schema',
      'schema.json',
      'https:',
      'https://a b',
      '1a:b',
      'a:é',
      'a:%4',
      5,
    ]) {
      refuses({ ...BASE, dataschema }, /"dataschema" is/, /absolute URI/)
    }
    accepts({ dataschema: 'https://example.com/s.json?x=%20#/defs/a' })
    accepts({ dataschema: 'urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66' })
  })

  test('C15 refuses an empty subject', () => {
    refuses({ ...BASE, subject: '' }, /"subject" is ""/)
    refuses({ ...BASE, subject: true }, /"subject" is true/)
  })

  test('C16 refuses a datacontenttype that is no media type', () => {
    for (const datacontenttype of ['', 'json', 'a/b; c', 7]) {
      refuses({ ...BASE, datacontenttype }, /"datacontenttype" is/, /media type/)
    }
    accepts({ datacontenttype: 'TEXT/Plain; CharSet=utf-8' })
  })

  test('an error message shows a long value cut', () => {
    refuses({ ...BASE, time: 'x'.repeat(10_000) }, /x…?"…/)
  })
})

test('attributes keep the order in which they came', () => {
  const raw = { zeta: 'x', type: 't', id: 'i', alpha: 1, source: 's', specversion: '1.0' }
  assert.deepEqual(Object.keys(checkAttributes(raw)), Object.keys(raw))
})
