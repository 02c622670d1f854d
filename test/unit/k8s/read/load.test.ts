import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { loadResources, refuseErrors } from '../../../../k8s/read/load.ts'
import { findingLine } from '../../../../k8s/read/resource.ts'
import { isMillraceError } from '../../../../runtime/errors.ts'
import { projectFiles } from '../../../support/project-files.ts'
import { resourceText } from '../../../support/resources.ts'

const OPTIONS = { functions: [], services: new Map<string, string>() }

function trigger(name: string): string {
  return resourceText('Trigger', name, '  broker: b\n  subscriber: { uri: "http://a" }')
}

async function load(t: TestContext, files: Record<string, string>, ...paths: string[]) {
  const dir = await projectFiles(t, files)
  const {
    topology,
    findings,
    files: read,
  } = await loadResources(
    paths.map((one) => path.join(dir, one)),
    OPTIONS,
  )
  return {
    triggers: topology.triggers.map(({ name }) => name),
    lines: findings.map((finding) => findingLine(finding).replaceAll(`${dir}${path.sep}`, '')),
    files: read.map((file) => path.relative(dir, file)),
    dir,
  }
}

describe('loadResources', () => {
  it('reads files and folders, each file once, and nothing hidden', async (t) => {
    const { triggers, lines, files } = await load(
      t,
      {
        'k/a.yaml': trigger('a'),
        'k/more/b.yml': trigger('b'),
        'k/c.json': JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [] }),
        'k/notes.md': '# nothing',
        'k/.hidden/d.yaml': trigger('d'),
        'k/node_modules/x/e.yaml': trigger('e'),
        'f.txt': trigger('f'),
      },
      'k',
      'k/a.yaml',
      'f.txt',
    )
    assert.deepEqual(lines, [])
    assert.deepEqual(triggers, ['a', 'b', 'f'])
    assert.deepEqual(files, ['k/a.yaml', 'k/c.json', 'k/more/b.yml', 'f.txt'])
  })

  it('joins what stands in several files', async (t) => {
    const broker = resourceText('Broker', 'orders', '  {}')
    const { lines } = await load(
      t,
      { 'a.yaml': trigger('t').replace('broker: b', 'broker: oders'), 'b.yaml': broker },
      'a.yaml',
      'b.yaml',
    )
    assert.deepEqual(lines, [
      'a.yaml:8: spec.broker: there is no Broker events/oders; did you mean "orders"?',
    ])
  })

  it('says what cannot be read', async (t) => {
    const { lines, dir } = await load(t, { 'empty/a.md': '' }, 'gone.yaml', 'empty')
    assert.deepEqual(lines, [
      'gone.yaml: there is no such file or folder',
      'empty: holds no file that ends in .yaml, .yml, .json',
    ])
    await mkdir(path.join(dir, 'b'))
    await writeFile(path.join(dir, 'b/a.yaml'), Buffer.from([0x61, 0x3a, 0xff]))
    const { findings } = await loadResources([path.join(dir, 'b')], OPTIONS)
    assert.deepEqual(
      findings.map(({ message }) => message),
      ['is no text in UTF-8'],
    )
  })
})

describe('refuseErrors', () => {
  it('throws a line for each error, and lets notes pass', () => {
    const finding = { place: 'a.yaml:3', field: 'spec.x', message: 'is wrong' }
    refuseErrors([{ ...finding, severity: 'note' }])
    assert.throws(
      () =>
        refuseErrors([
          { ...finding, severity: 'error' },
          { ...finding, severity: 'note' },
          { ...finding, severity: 'error', field: '' },
        ]),
      (error) => {
        assert.ok(isMillraceError(error, 'FN_RESOURCE_INVALID'))
        assert.equal(error.message, 'a.yaml:3: spec.x: is wrong\na.yaml:3: is wrong')
        return true
      },
    )
  })
})
