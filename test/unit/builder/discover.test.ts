import assert from 'node:assert/strict'
import { symlink } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { discoverFunctions } from '../../../builder/discover.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { projectFiles } from '../../support/project-files.ts'

test('files and folders with an index are functions, sorted by name', async (t) => {
  const dir = await projectFiles(t, { 'b.ts': '', 'a-1/index.ts': '', 'c.ts': '' })
  const { sources, refused } = await discoverFunctions(dir)
  assert.deepEqual(sources, [
    { name: 'a-1', path: path.join(dir, 'a-1/index.ts') },
    { name: 'b', path: path.join(dir, 'b.ts') },
    { name: 'c', path: path.join(dir, 'c.ts') },
  ])
  assert.deepEqual(refused, [])
})

test('tests, type files, underscored names and other files are no functions', async (t) => {
  const dir = await projectFiles(t, {
    'a.ts': '',
    'a.test.ts': '',
    'types.d.ts': '',
    '_order.ts': '',
    '_lib/index.ts': '',
    '.hidden/index.ts': '',
    'node_modules/index.ts': '',
    'lib/other.ts': '',
    'sample.json': '',
    'script.js': '',
    'x.ts/readme.md': '',
  })
  const { sources, refused } = await discoverFunctions(dir)
  assert.deepEqual(
    sources.map(({ name }) => name),
    ['a'],
  )
  assert.deepEqual(refused, [])
})

test('a symbolic link to a file is a function', async (t) => {
  const dir = await projectFiles(t, { '_real.ts': '' })
  await symlink(path.join(dir, '_real.ts'), path.join(dir, 'linked.ts'))
  const { sources } = await discoverFunctions(dir)
  assert.deepEqual(
    sources.map(({ name }) => name),
    ['linked'],
  )
})

for (const [name, better] of [
  ['orderProcessor', 'order-processor'],
  ['Order_Processor', 'order-processor'],
  ['a.b', 'a-b'],
  ['-a', 'a'],
] as const) {
  test(`the name ${name} is refused, and ${better} suggested`, async (t) => {
    const dir = await projectFiles(t, { [`${name}.ts`]: '', 'good.ts': '' })
    const { sources, refused } = await discoverFunctions(dir)
    assert.equal(sources.length, 1)
    assert.equal(refused[0]?.error.code, 'FN_NAME_INVALID')
    assert.match(refused[0].error.message, new RegExp(`for example "${better}"`))
  })
}

test('a name longer than a Kubernetes label is refused', async (t) => {
  const dir = await projectFiles(t, { [`${'a'.repeat(63)}.ts`]: '', [`${'b'.repeat(64)}.ts`]: '' })
  const { sources, refused } = await discoverFunctions(dir)
  assert.equal(sources.length, 1)
  assert.match(refused[0]?.error.message ?? '', /at most 63 characters/)
})

test('one name for a file and a folder is refused', async (t) => {
  const dir = await projectFiles(t, { 'a.ts': '', 'a/index.ts': '' })
  const { sources, refused } = await discoverFunctions(dir)
  assert.equal(sources.length, 1)
  assert.equal(refused[0]?.error.code, 'FN_NAME_CLASH')
})

test('a missing folder and one without functions say what to do', async (t) => {
  const dir = await projectFiles(t)
  await assert.rejects(discoverFunctions(dir), (error) => {
    assert.ok(isMillraceError(error, 'FN_BUILD_FAILED'))
    assert.match(error.message, /No function in .*write NAME\.ts there/)
    return true
  })
  await assert.rejects(discoverFunctions(path.join(dir, 'nowhere')), (error) => {
    assert.ok(isMillraceError(error, 'FN_BUILD_FAILED'))
    assert.match(error.message, /No functions directory at .*nowhere/)
    return true
  })
})
