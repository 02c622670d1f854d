import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { bundleVersion, readBuild } from '../../../builder/manifest-file.ts'
import { writeBuild } from '../../../builder/write-build.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { projectFiles } from '../../support/project-files.ts'
import { sampleManifest } from '../../support/sample-manifest.ts'

function buildOf(name: string, code: string): Parameters<typeof writeBuild> {
  const bundles = new Map([[name, { code, map: '{}' }]])
  return ['', sampleManifest(name, bundleVersion(code)), bundles]
}

test('a build replaces the one before whole and leaves nothing beside it', async (t) => {
  const parent = await projectFiles(t)
  const out = path.join(parent, 'deep', 'out')
  const [, ...old] = buildOf('old', '1')
  const [, ...fresh] = buildOf('fresh', '2')
  await writeBuild(out, ...old)
  await writeBuild(out, ...fresh)
  assert.deepEqual((await readdir(out)).sort(), ['fresh.js', 'fresh.js.map', 'manifest.json'])
  assert.deepEqual(await readdir(path.dirname(out)), ['out'])
})

test('a build that fails half-way leaves the one before', async (t) => {
  const parent = await projectFiles(t)
  const out = path.join(parent, 'out')
  const [, ...good] = buildOf('a', '1')
  await writeBuild(out, ...good)
  await assert.rejects(
    writeBuild(out, sampleManifest('b', ''), new Map()),
    /b, which has no bundle/,
  )
  assert.equal((await readBuild(out)).bundles.get('a')?.code, '1')
  assert.deepEqual(await readdir(parent), ['out'])
})

test('a folder with files of others is not replaced', async (t) => {
  const [, ...build] = buildOf('a', '1')
  for (const files of [
    { 'notes.txt': 'mine' },
    { 'app.js': 'no build either' },
    { 'manifest.json': '{}', 'notes.txt': 'mine' },
  ]) {
    const out = await projectFiles(t, files)
    await assert.rejects(writeBuild(out, ...build), (error) => {
      assert.ok(isMillraceError(error, 'FN_CONFIG_INVALID'))
      assert.match(error.message, /name another folder/)
      return true
    })
    assert.deepEqual((await readdir(out)).sort(), Object.keys(files).sort())
  }
})

test('an empty folder is filled, a file in its place refused', async (t) => {
  const [, ...build] = buildOf('a', '1')
  const empty = await projectFiles(t)
  await writeBuild(empty, ...build)
  assert.equal(await readFile(path.join(empty, 'a.js'), 'utf8'), '1')
  const dir = await projectFiles(t, { out: 'a file' })
  await assert.rejects(writeBuild(path.join(dir, 'out'), ...build), /is a file, not a folder/)
})

test('a build is as open to other users as any new folder', async (t) => {
  const parent = await projectFiles(t)
  const [, ...build] = buildOf('a', '1')
  await writeBuild(path.join(parent, 'out'), ...build)
  await mkdir(path.join(parent, 'plain'))
  const [out, plain] = await Promise.all(['out', 'plain'].map((d) => stat(path.join(parent, d))))
  assert.equal(out?.mode, plain?.mode)
})
