import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { editDistance, nearest } from '../../../runtime/contract/nearest.ts'

describe('nearest', () => {
  it('finds the word that was meant', () => {
    const known = ['name', 'broker', 'filter', 'filters', 'startFrom']
    assert.equal(nearest('filtres', known), 'filters')
    assert.equal(nearest('brokr', known), 'broker')
    assert.equal(nearest('startfrom', known), 'startFrom')
    assert.equal(nearest('nmae', known), 'name')
  })

  it('does not guess where nothing is near', () => {
    assert.equal(nearest('egress', ['name', 'broker', 'filters']), undefined)
    assert.equal(nearest('x', ['in', 'gt', 'lt']), undefined)
    assert.equal(nearest('anything', []), undefined)
  })
})

describe('editDistance', () => {
  it('counts insertions, deletions, replacements and swaps of neighbours', () => {
    assert.equal(editDistance('', 'abc'), 3)
    assert.equal(editDistance('abc', 'abc'), 0)
    assert.equal(editDistance('abc', 'abcd'), 1)
    assert.equal(editDistance('abc', 'bc'), 1)
    assert.equal(editDistance('abc', 'axc'), 1)
    assert.equal(editDistance('abc', 'acb'), 1)
    assert.equal(editDistance('kitten', 'sitting'), 3)
  })
})
