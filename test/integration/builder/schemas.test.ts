import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { build } from '../../../builder/build.ts'
import { checkProject } from '../../../builder/check.ts'
import { readManifest } from '../../../builder/manifest-file.ts'
import { projectFiles, writeFiles } from '../../support/project-files.ts'

const FUNCTION = `
export const metadata = {
  triggers: [{ broker: 'events/b', filters: [{ exact: { type: 'a' } }] }],
  schemas: { made: { type: 'string' } },
}
export function handler() {}
`
const file = (schema: object): Record<string, string> => ({
  'schemas/a.json': JSON.stringify(schema),
})

test('a build has the schemas, and the check compares with it, then with those that were accepted', async (t) => {
  const projectDir = await projectFiles(t, {
    'functions/f.ts': FUNCTION,
    ...file({ type: 'integer' }),
  })
  const dirs = { projectDir, functionsDir: 'functions' }
  const found = async (): Promise<string[]> =>
    (await checkProject(dirs)).findings.map(({ kind, message }) => `${kind}: ${message}`)
  assert.deepEqual(await found(), [])

  await build({ ...dirs, outDir: '.millrace/build' })
  const { schemas } = await readManifest(path.join(projectDir, '.millrace/build'))
  assert.deepEqual(Object.keys(schemas ?? {}), ['a', 'made'])

  await writeFiles(projectDir, file({ type: 'number' }))
  assert.deepEqual(await found(), [
    'advice: schemas/a.json: #: type was "integer" and is "number"; readers of a as it was may not cope. Give the new shape a type of its own, such as a.v2, or accept it: fn check --accept-schemas',
  ])
  await checkProject({ ...dirs, acceptSchemas: true })
  assert.deepEqual((await readdir(path.join(projectDir, 'schemas'))).sort(), [
    '_accepted.json',
    'a.json',
  ])
  assert.deepEqual(await found(), [])
  await writeFiles(projectDir, file({ type: 'string' }))
  assert.match((await found()).join(), /type was "number" and is "string"; readers and writers/)

  await writeFiles(projectDir, { 'schemas/_accepted.json': '[]' })
  await assert.rejects(checkProject(dirs), /_accepted\.json holds no schemas by event type/)
})

test('a broken schema stops the build, and what was built stays', async (t) => {
  const projectDir = await projectFiles(t, { 'functions/f.ts': FUNCTION, ...file({ type: 'x' }) })
  const { manifest, failures } = await build({
    projectDir,
    functionsDir: 'functions',
    outDir: '.millrace/build',
  })
  assert.equal(manifest, undefined)
  assert.deepEqual(
    failures.map(({ error }) => error.code),
    ['FN_SCHEMA_INVALID'],
  )
})
