import assert from 'node:assert/strict'
import { test } from 'node:test'
import vm from 'node:vm'
import fc from 'fast-check'
import { sourceText } from '../../../cli/source-text.ts'

test('what is short stands on one line, what is long on lines of its own', () => {
  assert.equal(sourceText({ a: [1, true, null], 'b-c': 'd' }), "{ a: [1, true, null], 'b-c': 'd' }")
  const filter = { exact: { type: 'x'.repeat(30) } }
  assert.equal(
    sourceText({ triggers: [{ broker: 'events/b', filters: [filter] }], ordering: 'none' }),
    `{
  triggers: [
    { broker: 'events/b', filters: [{ exact: { type: '${'x'.repeat(30)}' } }] },
  ],
  ordering: 'none',
}`,
  )
})

test('it is the same value again, whatever the texts hold', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('__proto__', `'`, `"`, `\\'`, '\u2028', '`${'),
  )
  const value = fc.jsonValue({ maxDepth: 3 })
  fc.assert(
    fc.property(fc.oneof(value, fc.dictionary(text, text)), (given) => {
      const again: unknown = vm.runInNewContext(`(${sourceText(given)})`)
      assert.equal(JSON.stringify(again), JSON.stringify(given))
    }),
  )
})
