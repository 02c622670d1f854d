import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileResources } from '../../../../k8s/read/compile.ts'
import { isFinding, resourceOf } from '../../../../k8s/read/resource-of.ts'
import { findingLine } from '../../../../k8s/read/resource.ts'

const OPTIONS = { functions: [], services: new Map<string, string>() }

/** As an API server answers it, with what its controllers wrote. */
const OBJECT = {
  apiVersion: 'eventing.knative.dev/v1',
  kind: 'Trigger',
  metadata: {
    name: 'orders',
    namespace: 'events',
    uid: '6d0e',
    generation: 3,
    managedFields: [{ manager: 'kubectl' }],
    finalizers: ['kafka.triggers.eventing.knative.dev'],
    annotations: { 'eventing.knative.dev/creator': 'me' },
  },
  spec: { broker: 'default', subscriber: { uri: 'http://orders.example.com' } },
  status: {
    observedGeneration: 3,
    annotations: { 'group.id': 'the-old-group', 'default.topic': 'the-old-topic' },
  },
}

test('an object of an API server is a resource, placed where the caller says', () => {
  const resource = resourceOf(OBJECT, 'Trigger events/orders')
  assert.ok(!isFinding(resource))
  assert.equal(resource.place(['spec', 'broker']), 'Trigger events/orders')
  const { topology, findings } = compileResources([resource], OPTIONS)
  assert.deepEqual(findings, [])
  const [trigger] = topology.triggers
  assert.equal(trigger?.group, 'the-old-group')
  assert.equal(trigger?.topic, 'the-old-topic')
  assert.equal(trigger?.declaredIn, 'Trigger events/orders')
})

test('what is no resource is one finding, without a line', () => {
  const finding = resourceOf({ kind: 'Trigger' }, 'the watch')
  assert.ok(isFinding(finding))
  assert.equal(findingLine(finding), 'the watch: apiVersion: is missing')
})
