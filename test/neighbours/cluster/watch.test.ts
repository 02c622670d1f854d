/** The parts of the controller that talk to an API server, each alone. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test, type TestContext } from 'node:test'
import { ApiServer } from '../../../k8s/controller/api-server.ts'
import { Lease } from '../../../k8s/controller/lease.ts'
import { KindWatch, metadataOf } from '../../../k8s/controller/watch-kind.ts'
import type { Logger } from '../../../runtime/contract/log.ts'
import { clusterForTests, installDefinitions, trigger } from '../../support/cluster-fixture.ts'
import { eventually } from '../../support/eventually.ts'
import { startGate, type Gate } from '../../support/gate.ts'
import { SILENT } from '../../support/silent-log.ts'

const given = clusterForTests()
const PATH = '/apis/eventing.knative.dev/v1/namespaces/events/triggers'

test(
  'a watch sees what is made, changed and deleted, over a restart that forgets',
  given.needed,
  async (t) => {
    const log = lines()
    const { gate, kubeconfig } = await gateTo(t, given.cluster.admin)
    const watch = new KindWatch({
      api: new ApiServer(kubeconfig),
      paths: [PATH.replace('/v1/', '/v9/'), PATH],
      what: 'triggers',
      changed: () => {},
      log,
    })
    t.after(() => watch.close())
    const versions = (): Record<string, unknown> =>
      Object.fromEntries(
        watch.objects().map((one) => [metadataOf(one)['name'], metadataOf(one)['generation']]),
      )
    const apply = (name: string, type = 'a'): Promise<string> =>
      given.cluster.kubectl(['apply', '-f', '-'], trigger(name, type, 's'))

    await eventually(() => watch.trouble?.is === 'absent', 'the kind is known to be absent')
    await installDefinitions(given.cluster)
    await apply('one')
    await apply('two')
    await eventually(() => versions()['two'] === 1, 'both are there')
    await apply('two', 'b')
    await given.cluster.kubectl(['delete', 'trigger', 'one', '-n', 'events'])
    await eventually(() => versions()['two'] === 2 && !('one' in versions()), 'both are different')

    // What it saw last is older than all that the server has when it is asked again.
    gate.shut()
    await apply('two', 'c')
    await given.cluster.restartApiServer(() => given.cluster.compact())
    await eventually(() => apply('three'), 'the server knows its kinds again')
    await given.cluster.kubectl(['delete', 'trigger', 'two', '-n', 'events'])
    assert.deepEqual(versions(), { two: 2 }, 'what was known stays known')
    gate.open()
    await eventually(() => versions()['three'] === 1 && !('two' in versions()), 'it goes on')
    assert.match(log.text(), /forgotten the version/)
  },
)

test('what may not be read is said, and is not taken for empty', given.needed, async (t) => {
  const watch = new KindWatch({
    api: new ApiServer(given.controller),
    paths: ['/api/v1/namespaces/events/secrets'],
    what: 'secrets',
    changed: () => {},
    log: SILENT,
  })
  t.after(() => watch.close())
  const trouble = await eventually(
    () => (watch.trouble?.is === 'forbidden' ? watch.trouble : undefined),
    'it is forbidden',
  )
  assert.match(trouble.reason, /cannot list resource "secrets"/)
})

test(
  'a lease has one holder: given back at once, and taken over from one that is silent',
  given.needed,
  async (t) => {
    const [a, b] = [holder(t, 'a'), holder(t, 'b')]
    await eventually(() => a.leads() !== b.leads(), 'one leads')
    const [leader, other] = a.leads() ? [a, b] : [b, a]
    await leader.lease.close()
    assert.equal(leader.leads(), false)
    await eventually(() => other.leads(), 'the other one leads')

    // A process that is gone without a word: its record stays, and nobody renews it.
    await other.lease.close()
    const gone = '{"spec":{"holderIdentity":"gone"}}'
    const patch = `patch lease test-lease -n events --type merge -p ${gone}`
    await given.cluster.kubectl(patch.split(' '))
    const startedAt = performance.now()
    const heir = holder(t, 'heir')
    await eventually(() => heir.leads(), 'the heir leads')
    assert.ok(performance.now() - startedAt > DURATION_MS, 'not before the lease ran out')
  },
)

const DURATION_MS = 3_000

/** A gate before the API server, and a kubeconfig that leads through it. */
async function gateTo(t: TestContext, admin: string): Promise<{ gate: Gate; kubeconfig: string }> {
  const config = await readFile(admin, 'utf8')
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(config)?.[1])
  const gate = await startGate(port)
  const kubeconfig = `${admin}.gate`
  await writeFile(kubeconfig, config.replace(`:${port}`, `:${gate.port}`), { mode: 0o600 })
  t.after(() => gate.close())
  return { gate, kubeconfig }
}

function holder(t: TestContext, name: string): { lease: Lease; leads(): boolean } {
  let leads = false
  const lease = new Lease({
    api: new ApiServer(given.cluster.admin),
    namespace: 'events',
    name: 'test-lease',
    holder: name,
    durationMs: DURATION_MS,
    async work(signal) {
      leads = true
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      leads = false
    },
    log: SILENT,
  })
  t.after(() => lease.close())
  return { lease, leads: () => leads }
}

function lines(): Logger & { text(): string } {
  let text = ''
  const take = (first: Record<string, unknown> | string, message = ''): void => {
    text += `${typeof first === 'string' ? first : `${JSON.stringify(first)} ${message}`}\n`
  }
  return { ...SILENT, debug: take, info: take, warn: take, error: take, text: () => text }
}
