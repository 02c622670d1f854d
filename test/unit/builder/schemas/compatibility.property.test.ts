import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { misfits } from '../../../../builder/schemas/compatibility.ts'
import { SchemaCompiler } from '../../../../runtime/schemas/compile-schema.ts'
import {
  edited,
  picker,
  someRoot,
  someValue,
  type Pick,
} from '../../../support/schema-arbitraries.ts'

const VALUES = 40

for (const reader of [true, false]) {
  const who = reader ? 'readers' : 'writers'
  test(`where nothing is found for ${who}, what fits the one schema fits the other`, () => {
    let compatible = 0
    let tried = 0
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), (schema, edit, value) => {
        const result = holds({
          schema: picker(schema),
          edit: picker(edit),
          value: picker(value),
          reader,
        })
        if (result > 0) compatible++
        tried += result
      }),
      { numRuns: 300 },
    )
    // Else the property would say nothing.
    assert.ok(compatible > 60 && tried > 1_000, `${compatible} compatible pairs, ${tried} values`)
  })
}

/** The number of values that were tried. */
function holds(given: { schema: Pick; edit: Pick; value: Pick; reader: boolean }): number {
  const before = someRoot(given.schema)
  const after = edited(before, given.edit)
  const [from, to] = given.reader ? [after, before] : [before, after]
  if (misfits({ from, to, for: given.reader ? 'reader' : 'writer' }).length > 0) return 0
  const compiler = new SchemaCompiler()
  const [fitsFrom, fitsTo] = [from, to].map((schema) => compiler.compile(schema))
  const fitting = Array.from({ length: VALUES })
    .map(() => someValue(from, from, { pick: given.value, known: !given.reader }))
    .filter((value) => fitsFrom?.(value) === undefined)
  for (const value of fitting) {
    assert.equal(fitsTo?.(value), undefined, JSON.stringify({ from, to, value }))
  }
  return fitting.length
}
