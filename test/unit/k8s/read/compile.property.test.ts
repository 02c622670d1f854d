import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { asMetadata } from '../../../../k8s/read/as-metadata.ts'
import { compileResources } from '../../../../k8s/read/compile.ts'
import { parseResources } from '../../../../k8s/read/parse.ts'
import { isFinding, resourceOf } from '../../../../k8s/read/resource-of.ts'
import { findingLine, type Finding, type Resource } from '../../../../k8s/read/resource.ts'
import type { TriggerManifest } from '../../../../runtime/contract/manifest.ts'
import { checkMetadata } from '../../../../runtime/contract/metadata-check.ts'
import { topologyOf } from '../../../../runtime/topology.ts'
import {
  brokenObjectsArbitrary,
  objectsArbitrary,
  plainFiltersArbitrary,
  sharedDeliveryArbitrary,
} from '../../../support/resource-arbitraries.ts'

const OPTIONS = {
  functions: [{ name: 'orders', namespace: '' }],
  services: new Map<string, string>(),
}

function textOf(objects: readonly unknown[]): string {
  return objects.map((one) => `---\n${stringify(one)}`).join('')
}

function compileAll(objects: readonly unknown[]) {
  const { resources, findings } = parseResources('f.yaml', textOf(objects))
  const compiled = compileResources(resources, OPTIONS)
  return { topology: compiled.topology, findings: [...findings, ...compiled.findings] }
}

function errorsOf(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ severity }) => severity === 'error')
}

test('whatever the objects hold, each finding is one line with a file and a line', () => {
  fc.assert(
    fc.property(brokenObjectsArbitrary, (objects) => {
      const lines = textOf(objects).split('\n').length
      for (const finding of compileAll(objects).findings) {
        assert.match(findingLine(finding), /^f\.yaml:[1-9]\d*: [^\n]+$/)
        assert.ok(Number(finding.place.split(':')[1]) <= lines, finding.place)
      }
    }),
    { numRuns: 400 },
  )
})

test('what compiles without an error is whole: every channel is read, every broker is there', () => {
  let whole = 0
  fc.assert(
    fc.property(objectsArbitrary, (objects) => {
      const { topology, findings } = compileAll(objects)
      if (errorsOf(findings).length > 0) return
      whole++
      const { triggers, flows, brokers } = topologyOf([], topology)
      const steps = flows.flatMap((flow) => flow.steps)
      const read = new Set(steps.map(({ channel }) => channel))
      for (const { reply, deadLetterSink } of [...triggers, ...steps]) {
        for (const to of [reply, deadLetterSink]) {
          if (to?.kind === 'channel') assert.ok(read.has(to.channel), to.channel)
        }
      }
      for (const { broker, topic, wrap } of triggers) {
        if (wrap !== undefined) continue
        assert.equal(brokers.find(({ name }) => name === broker)?.topic, topic)
      }
    }),
    { numRuns: 400 },
  )
  assert.ok(whole > 40, `only ${whole} were without an error`)
})

test('an API server’s objects and a file’s documents compile to the same', () => {
  fc.assert(
    fc.property(objectsArbitrary, (objects) => {
      const resources = objects.map((one) => resourceOf(one, 'somewhere'))
      assert.ok(resources.every((one): one is Resource => !isFinding(one)))
      const fromServer = compileResources(resources, OPTIONS)
      const fromFile = compileAll(objects)
      assert.deepEqual(withoutPlaces(fromServer.topology), withoutPlaces(fromFile.topology))
      assert.equal(errorsOf(fromServer.findings).length > 0, errorsOf(fromFile.findings).length > 0)
    }),
  )
})

test('a Trigger is the trigger that the same metadata gives, and back', () => {
  const trigger = fc.record({
    name: fc.constantFrom('a', 'orders'),
    filters: plainFiltersArbitrary,
    delivery: sharedDeliveryArbitrary,
    order: fc.constantFrom(undefined, 'ordered', 'unordered'),
  })
  fc.assert(
    fc.property(trigger, ({ name, filters, delivery, order }) => {
      const annotations = order && { 'kafka.eventing.knative.dev/delivery.order': order }
      const { topology, findings } = compileAll([
        {
          apiVersion: 'eventing.knative.dev/v1',
          kind: 'Trigger',
          metadata: { name, namespace: 'events', annotations },
          spec: {
            broker: 'b',
            filters,
            delivery,
            subscriber: { ref: { apiVersion: 'v1', kind: 'Service', name: 'orders' } },
          },
        },
      ])
      assert.deepEqual(findings, [])
      const metadata = {
        triggers: [{ name, broker: 'events/b', filters }],
        ordering: order === undefined ? 'key' : order === 'ordered' ? 'partition' : 'none',
        delivery,
      }
      const expected = triggersOf(metadata)
      assert.deepEqual(withoutPlaces(topology).triggers, expected)
      const { functions, leftovers } = asMetadata(topology.triggers)
      assert.deepEqual(leftovers, [])
      assert.deepEqual(triggersOf(functions[0]?.metadata), expected)
    }),
  )
})

function triggersOf(metadata: unknown): TriggerManifest[] {
  const where = { file: 'functions/orders.ts', functionName: 'orders' }
  return checkMetadata(metadata, where).triggers
}

function withoutPlaces<T extends { triggers: TriggerManifest[] }>(topology: T): T {
  return {
    ...topology,
    triggers: topology.triggers.map((trigger) => {
      const { declaredIn, ...rest } = trigger
      assert.ok(declaredIn)
      return rest
    }),
  }
}
