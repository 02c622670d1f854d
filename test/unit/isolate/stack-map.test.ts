import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transformSync } from 'esbuild'
import { StackMap } from '../../../runtime/isolate/stack-map.ts'

const { map } = transformSync(
  '\n\nexport function handler(): void {\n  throw new Error("x")\n}\n',
  {
    loader: 'ts',
    sourcemap: 'external',
    sourcefile: 'functions/one.ts',
  },
)

test('places go back to the file of the function, and our own lines go', () => {
  const stack = [
    'Error: x',
    '    at handler (bundle.js:2:9)',
    '    at start (millrace:kernel:1:2)',
    '    at (<isolated-vm boundary>)',
    '    at [stdin]:1:7332',
  ].join('\n')
  assert.equal(new StackMap(map).stack(stack), 'Error: x\n    at handler (functions/one.ts:4:9)')
})

test('without a map that can be read a stack stays as it is', () => {
  assert.equal(new StackMap('no json').stack('at bundle.js:2:9'), 'at bundle.js:2:9')
})

test('a stack is at most 4,000 characters', () => {
  assert.equal(new StackMap('').stack('x'.repeat(9_000)).length, 4_000)
})
