import assert from 'node:assert/strict'
import { test } from 'node:test'
import { objectName, settle, type Settled } from '../../../../k8s/controller/settle.ts'
import type { KubernetesObject } from '../../../../k8s/controller/watch-kind.ts'
import type { FunctionManifest } from '../../../../runtime/contract/manifest.ts'
import { checkMetadata } from '../../../../runtime/contract/metadata-check.ts'

function object(kind: string, name: string, spec: Record<string, unknown> = {}): KubernetesObject {
  return {
    apiVersion: 'eventing.knative.dev/v1',
    kind,
    metadata: { namespace: 'events', name },
    spec,
  }
}

function trigger(name: string, more: Record<string, unknown> = {}): KubernetesObject {
  const subscriber = { uri: `http://${name}.test/` }
  return object('Trigger', name, { broker: 'b', subscriber, ...more })
}

const BROKER = object('Broker', 'b')
const BROKEN = { delivery: { retry: -1 } }

function settled(
  objects: KubernetesObject[],
  lastGood: KubernetesObject[] = [],
  functions: FunctionManifest[] = [],
): Settled {
  const known = new Map(lastGood.map((one) => [objectName(one), one]))
  const result = settle(objects, { functions, services: new Map(), lastGood: known })
  assert.ok(!('unsettled' in result), JSON.stringify(result))
  return result
}

function names({ topology }: Settled): string[] {
  return topology.triggers.map(({ name }) => name)
}

test('resources without an error become what they say', () => {
  const result = settled([BROKER, trigger('a'), trigger('b')])
  assert.deepEqual(names(result), ['a', 'b'])
  assert.equal(result.problems.size, 0)
})

test('a wrong resource is left out, with what is wrong, and the others go on', () => {
  const result = settled([BROKER, trigger('a', BROKEN), trigger('b')])
  assert.deepEqual(names(result), ['b'])
  const [finding] = result.problems.get('Trigger events/a') ?? []
  assert.equal(finding?.field, 'spec.delivery.retry')
})

test('the last good version of a wrong resource stays in force', () => {
  const good = trigger('a', { subscriber: { uri: 'http://good.test/' } })
  const result = settled([BROKER, trigger('a', BROKEN)], [good])
  assert.deepEqual(result.topology.triggers[0]?.subscriber, {
    kind: 'http',
    url: 'http://good.test/',
  })
  assert.equal(result.used.get('Trigger events/a'), good)
  assert.ok(result.problems.has('Trigger events/a'))
})

test('a resource that was deleted has no last good version', () => {
  assert.deepEqual(names(settled([BROKER, trigger('b')], [trigger('a'), trigger('b')])), ['b'])
})

test('a trigger is not to blame for its broker: its new version counts beside the broker that was', () => {
  const broken = object('Broker', 'b', { delivery: { retry: -1 } })
  const fresh = trigger('a', { subscriber: { uri: 'http://fresh.test/' } })
  const result = settled([broken, fresh], [BROKER, trigger('a')])
  assert.equal(result.used.get('Trigger events/a'), fresh)
  assert.equal(result.used.get('Broker events/b'), BROKER)
  assert.deepEqual([...result.problems.keys()], ['Broker events/b'])
})

test('a service that is configured is called where the configuration says', () => {
  const ref = { apiVersion: 'v1', kind: 'Service', name: 'orders' }
  const services = new Map([['events/orders', 'http://10.0.0.9:8080']])
  const result = settle([BROKER, trigger('a', { subscriber: { ref } })], {
    functions: [],
    services,
    lastGood: new Map(),
  })
  assert.ok('topology' in result)
  assert.match(JSON.stringify(result.topology.triggers[0]?.subscriber), /10\.0\.0\.9:8080/)
})

test('a trigger goes with its broker, also the version that was good', () => {
  const result = settled([trigger('a')], [BROKER, trigger('a')])
  assert.deepEqual(names(result), [])
  const [finding] = result.problems.get('Trigger events/a') ?? []
  assert.match(finding?.message ?? '', /no Broker events\/b/)
})

test('a trigger that says something else than a function of that name does is left out', () => {
  const where = { functionName: 'f', file: 'functions/f.ts' }
  const part = checkMetadata({ triggers: [{ name: 'a', broker: 'events/b' }] }, where)
  const manifest = { ...part, name: 'f', file: where.file, bundle: '', map: '', version: '' }
  const result = settled(
    [BROKER, trigger('a'), trigger('b')],
    [],
    [manifest as unknown as FunctionManifest],
  )
  assert.deepEqual(names(result), ['b'])
  assert.match(result.problems.get('Trigger events/a')?.[0]?.message ?? '', /events\/a/)
})

test('a Service of Kubernetes and one of Knative of the same name are two', () => {
  const core = { ...object('Service', 's'), apiVersion: 'v1' }
  const serving = { ...object('Service', 's'), apiVersion: 'serving.knative.dev/v1' }
  assert.notEqual(objectName(core), objectName(serving))
})
