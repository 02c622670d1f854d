/** Processes of a deployment that follow what its controller wrote, with and without functions. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ConfigWriter } from '../../k8s/controller/config-writer.ts'
import { createEmbeddedBroker } from '../../runtime/broker/embedded/broker.ts'
import { loadConfig } from '../../runtime/config/load.ts'
import type { FunctionManifest } from '../../runtime/contract/manifest.ts'
import type { Subscriber } from '../../runtime/contract/subscriber.ts'
import { EMPTY_TOPOLOGY, type Topology } from '../../runtime/contract/topology.ts'
import { openClusterParts, type ClusterParts } from '../../runtime/roles.ts'
import { eventually } from '../support/eventually.ts'
import { manifestOf } from '../support/isolate.ts'
import { sampleTrigger } from '../support/sample-manifest.ts'
import { SILENT } from '../support/silent-log.ts'

interface Following {
  parts: ClusterParts
  applied: Topology[]
}

const SERVICE: Subscriber = { kind: 'http', url: 'http://shop.events' }
const FUNCTION: Subscriber = { kind: 'function', name: 'pricer' }

/** A process of this role behind a controller that has written one trigger. */
async function following(
  t: TestContext,
  role: 'worker' | 'ingress',
  given: { subscriber: Subscriber; functions: FunctionManifest[] },
): Promise<Following> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-roles-'))
  const broker = await createEmbeddedBroker({ dir, log: SILENT })
  const config = loadConfig({
    flags: { role: [role], resourcesFrom: 'cluster' },
    env: {},
    cwd: dir,
  })
  const { namespace, app } = config
  const writer = await ConfigWriter.open({ broker, namespace, app })
  await writer.write(
    { ...EMPTY_TOPOLOGY, triggers: [{ ...sampleTrigger('one'), subscriber: given.subscriber }] },
    [],
  )
  const applied: Topology[] = []
  const parts = await openClusterParts({
    config,
    broker,
    functions: given.functions,
    apply: async (topology) => void applied.push(topology),
    log: SILENT,
  })
  t.after(async () => {
    await parts.close()
    await writer.close()
    await broker.close()
    await rm(dir, { recursive: true, force: true })
  })
  return { parts, applied }
}

test('a worker without functions serves a configuration that leads to addresses only', async (t) => {
  const { parts, applied } = await following(t, 'worker', { subscriber: SERVICE, functions: [] })
  await eventually(() => parts.reasons().length === 0, 'it is ready')
  assert.equal(applied.length, 1)
})

test('a worker without functions refuses a configuration that leads to one, and is not ready', async (t) => {
  const { parts, applied } = await following(t, 'worker', { subscriber: FUNCTION, functions: [] })
  await eventually(() => parts.reasons().join().includes('cannot be applied'), 'it says so')
  assert.match(
    parts.reasons().join(),
    /version 1 cannot be applied: it leads to the function pricer, and there is no function in \S+; give this process the controller's build/,
  )
  assert.deepEqual(applied, [])
})

test('an ingress needs no functions, and a worker that has some knows what to do', async (t) => {
  const ingress = await following(t, 'ingress', { subscriber: FUNCTION, functions: [] })
  const functions = [manifestOf('events', 'other')]
  const worker = await following(t, 'worker', { subscriber: FUNCTION, functions })
  await eventually(() => ingress.parts.reasons().length === 0, 'the ingress is ready')
  await eventually(() => worker.parts.reasons().length === 0, 'the worker is ready')
})
