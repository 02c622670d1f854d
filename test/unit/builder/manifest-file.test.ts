import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { bundleVersion, readBuild, readManifest } from '../../../builder/manifest-file.ts'
import { writeBuild } from '../../../builder/write-build.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { projectFiles } from '../../support/project-files.ts'
import { sampleManifest } from '../../support/sample-manifest.ts'

const CODE = 'var __millraceModule = {}'
const bundles = new Map([['a', { code: CODE, map: '{"version":3}' }]])

async function built(t: TestContext): Promise<string> {
  const dir = path.join(await projectFiles(t), 'out')
  await writeBuild(dir, sampleManifest('a', bundleVersion(CODE)), bundles)
  return dir
}

test('what was written is read back', async (t) => {
  const dir = await built(t)
  const manifest = sampleManifest('a', bundleVersion(CODE))
  assert.deepEqual(await readBuild(dir), { manifest, bundles })
  assert.deepEqual(await readManifest(dir), manifest)
})

test('schemas are read back as well, and damaged ones refused', async (t) => {
  const dir = path.join(await projectFiles(t), 'out')
  const manifest = { ...sampleManifest('a', bundleVersion(CODE)), schemas: { t: { minimum: 1 } } }
  await writeBuild(dir, manifest, bundles)
  assert.deepEqual(await readManifest(dir), manifest)
  const damaged = JSON.stringify({ ...manifest, schemas: { t: 'x' } })
  await writeFile(path.join(dir, 'manifest.json'), damaged)
  await assert.rejects(readManifest(dir), /its schemas are not as a build writes them/)
})

const MANIFEST = sampleManifest('a', bundleVersion(CODE))
const DAMAGES: Record<string, [files: Record<string, string | undefined>, message: RegExp]> = {
  'a missing manifest': [{ 'manifest.json': undefined }, /manifest\.json is not there/],
  'a missing bundle': [{ 'a.js': undefined }, /a\.js is not there/],
  'a missing map': [{ 'a.js.map': undefined }, /a\.js\.map is not there/],
  'half a manifest': [{ 'manifest.json': '{"version":1,' }, /is not JSON/],
  'a list': [{ 'manifest.json': '[]' }, /is not a manifest/],
  'another version': [{ 'manifest.json': '{"version":99}' }, /has version 99, .* reads version 1/],
  'no version': [{ 'manifest.json': '{}' }, /has version undefined/],
  'a manifest without functions': [{ 'manifest.json': '{"version":1}' }, /is damaged/],
  'a function without triggers': [
    { 'manifest.json': JSON.stringify(withFirst({ triggers: undefined })) },
    /is damaged/,
  ],
  'a bundle outside the folder': [
    { 'manifest.json': JSON.stringify(withFirst({ bundle: '../a.js' })) },
    /is damaged/,
  ],
  'another bundle': [{ 'a.js': `${CODE} ` }, /a\.js is not the bundle that/],
}
for (const [what, [files, message]] of Object.entries(DAMAGES)) {
  test(`${what} is refused, and \`fn build\` named`, async (t) => {
    const dir = await built(t)
    for (const [name, content] of Object.entries(files)) {
      if (content === undefined) await rm(path.join(dir, name))
      else await writeFile(path.join(dir, name), content)
    }
    await assert.rejects(readManifest(dir), (error) => {
      assert.ok(isMillraceError(error, 'FN_MANIFEST_INVALID'))
      assert.match(error.message, message)
      assert.match(error.message, /run `fn build`$/)
      return true
    })
  })
}

function withFirst(change: Record<string, unknown>): unknown {
  return { ...MANIFEST, functions: [{ ...MANIFEST.functions[0], ...change }] }
}
