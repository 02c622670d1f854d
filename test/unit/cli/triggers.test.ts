import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { servedTriggers } from '../../../cli/triggers.ts'
import { loadConfig } from '../../../runtime/config/load.ts'
import { EMPTY_TOPOLOGY } from '../../../runtime/contract/topology.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { resourceText } from '../../support/resources.ts'

/** A folder without a build, whose configuration names a file of resources. */
async function configWith(t: TestContext, resources: string) {
  const cwd = await mkdtemp(path.join(tmpdir(), 'millrace-triggers-'))
  t.after(() => rm(cwd, { recursive: true }))
  const file = path.join(cwd, 'f.yaml')
  await writeFile(file, resources)
  const flags = { resources: file, build: path.join(cwd, 'build') }
  return loadConfig({ flags, cwd })
}

const TRIGGER = resourceText('Trigger', 't', '  broker: b\n  subscriber: { uri: "http://a" }')

describe('servedTriggers', () => {
  it('knows those of resources while no runtime runs, with the group that Knative gave', async (t) => {
    const status = 'status: { annotations: { group.id: a-uid } }\n'
    const config = await configWith(t, `${TRIGGER}${status}`)
    const triggers = await servedTriggers({ topology: undefined }, config)
    assert.deepEqual(
      triggers?.map(({ name, group }) => [name, group]),
      [['t', 'a-uid']],
    )
  })

  it('asks a running runtime alone, whatever has become of the files', async (t) => {
    const config = await configWith(t, 'kind: Trigger')
    const topology = () => Promise.resolve(EMPTY_TOPOLOGY)
    assert.deepEqual(await servedTriggers({ topology }, config), [])
    await assert.rejects(servedTriggers({ topology: undefined }, config), (error) =>
      isMillraceError(error, 'FN_RESOURCE_INVALID'),
    )
  })
})
