import assert from 'node:assert/strict'
import { test } from 'node:test'
import { annotation, compiled, resourceText } from '../../../support/resources.ts'

function errors(kind: string, key: string): string[] {
  const spec = kind === 'Trigger' ? '  broker: b\n  subscriber: { uri: "http://a" }' : '  {}'
  return compiled(resourceText(kind, 'x', spec, annotation(key, 'x'))).errors
}

test("other people's annotations are theirs", () => {
  for (const key of ['eventing.knative.dev/creator', 'argocd.argoproj.io/sync-wave', 'team']) {
    assert.deepEqual(errors('Trigger', key), [])
    assert.deepEqual(errors('Broker', key), [])
  }
})

test('a slip in one that means something is refused', () => {
  assert.deepEqual(errors('Trigger', 'kafka.eventing.knative.dev/delivery.ordr'), [
    'f.yaml:8: metadata.annotations["kafka.eventing.knative.dev/delivery.ordr"]: is not known; did you mean "kafka.eventing.knative.dev/delivery.order"?',
  ])
  assert.match(errors('Broker', 'eventing.knative.dev/broker.clas').join(), /broker\.class"\?$/)
})

test('ours means nothing on other kinds', () => {
  assert.deepEqual(errors('Trigger', 'millrace.dev/durable'), [
    'f.yaml:8: metadata.annotations["millrace.dev/durable"]: means nothing for a Trigger; known is millrace.dev/filter-compat',
  ])
  assert.deepEqual(errors('Broker', 'millrace.dev/durable'), [
    'f.yaml:8: metadata.annotations["millrace.dev/durable"]: means nothing for a Broker; there is none for this kind',
  ])
})
