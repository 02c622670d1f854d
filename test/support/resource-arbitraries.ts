/** Kubernetes objects over few names, so that they refer to each other; right ones, and broken ones. */
import fc from 'fast-check'
import { filterProblems } from '../../runtime/contract/filter-check.ts'
import type { Delivery } from '../../runtime/contract/metadata.ts'
import { filtersArbitrary } from './filter-arbitraries.ts'

type Json = Record<string, unknown>

/** Right ones, as they come out of a file: fast-check's own objects may lack a prototype. */
export const plainFiltersArbitrary: typeof filtersArbitrary = filtersArbitrary
  .map((filters) => structuredClone(filters))
  .filter((filters) => filterProblems(filters, '').length === 0)

const NAMES = ['a', 'b', 'c', 'orders'] as const
const name = fc.constantFrom(...NAMES)
const duration = fc.constantFrom('PT0S', 'PT0.2S', 'PT1S', 'PT10M', 'P1D')
const namespace = fc.constantFrom('events', 'shop')

const ref = fc
  .constantFrom(
    ['v1', 'Service'],
    ['serving.knative.dev/v1', 'Service'],
    ['eventing.knative.dev/v1', 'Broker'],
    ['flows.knative.dev/v1', 'Sequence'],
    ['flows.knative.dev/v1', 'Parallel'],
    ['messaging.knative.dev/v1', 'Channel'],
    ['messaging.knative.dev/v1beta1', 'KafkaChannel'],
    ['eventing.knative.dev/v1alpha1', 'EventTransform'],
    ['eventing.knative.dev/v1alpha1', 'KafkaSink'],
  )
  .chain(([apiVersion, kind]) =>
    fc.record(
      { apiVersion: fc.constant(apiVersion), kind: fc.constant(kind), name, namespace },
      { requiredKeys: ['apiVersion', 'kind', 'name'] },
    ),
  )

const destination: fc.Arbitrary<Json> = fc.oneof(
  ref.map((to) => ({ ref: to })),
  fc.constantFrom('http://a.example.com', 'https://b/x?y=z').map((uri) => ({ uri })),
)

const delivery: fc.Arbitrary<Json> = fc.record(
  {
    retry: fc.nat(20),
    backoffPolicy: fc.constantFrom('linear', 'exponential'),
    backoffDelay: duration,
    timeout: duration.filter((text) => text !== 'PT0S'),
    retryAfterMax: duration,
    deadLetterSink: destination,
    format: fc.constantFrom('json', 'binary', 'JSON'),
  },
  { requiredKeys: [] },
)

const SPECS: Record<string, { apiVersion: string; spec: fc.Arbitrary<Json> }> = {
  Broker: spec('eventing.knative.dev/v1', { delivery }),
  Trigger: spec(
    'eventing.knative.dev/v1',
    { broker: name, filters: plainFiltersArbitrary, subscriber: destination, delivery },
    ['broker', 'subscriber'],
  ),
  Sequence: spec(
    'flows.knative.dev/v1',
    { steps: fc.array(destination, { minLength: 1, maxLength: 3 }), reply: destination },
    ['steps'],
  ),
  Parallel: spec(
    'flows.knative.dev/v1',
    {
      branches: fc.array(
        fc.record(
          { filter: destination, subscriber: destination, reply: destination, delivery },
          { requiredKeys: ['subscriber'] },
        ),
        { minLength: 1, maxLength: 2 },
      ),
      reply: destination,
    },
    ['branches'],
  ),
  Channel: spec('messaging.knative.dev/v1', { delivery }),
  Subscription: spec(
    'messaging.knative.dev/v1',
    {
      channel: name.map((of) => ({
        apiVersion: 'messaging.knative.dev/v1',
        kind: 'Channel',
        name: of,
      })),
      subscriber: destination,
      reply: destination,
      delivery,
    },
    ['channel'],
  ),
  EventTransform: spec(
    'eventing.knative.dev/v1alpha1',
    {
      jsonata: fc.constant({ expression: '$' }),
      sink: destination,
      reply: fc.constantFrom({ discard: true }, { jsonata: { expression: 'data' } }),
    },
    ['jsonata'],
  ),
  KafkaSource: spec(
    'sources.knative.dev/v1beta1',
    {
      topics: fc.uniqueArray(name, { minLength: 1 }),
      consumerGroup: name,
      sink: destination,
      delivery,
    },
    ['topics', 'sink'],
  ),
  KafkaSink: spec('eventing.knative.dev/v1alpha1', { topic: name }, ['topic']),
}

function spec(
  apiVersion: string,
  fields: Record<string, fc.Arbitrary<unknown>>,
  requiredKeys: string[] = [],
): { apiVersion: string; spec: fc.Arbitrary<Json> } {
  return { apiVersion, spec: fc.record(fields, { requiredKeys }) }
}

/** Each right by itself; what it refers to may be missing. */
const object: fc.Arbitrary<Json> = fc
  .constantFrom(...Object.entries(SPECS))
  .chain(([kind, { apiVersion, spec: of }]) =>
    fc.record({ name, namespace, each: fc.boolean(), of }).map((one) => ({
      apiVersion,
      kind,
      metadata: {
        name: one.name,
        namespace: one.namespace,
        ...(one.each && { annotations: { 'millrace.dev/durable': 'each' } }),
      },
      spec: one.of,
    })),
  )

export const objectsArbitrary: fc.Arbitrary<Json[]> = fc.array(object, { maxLength: 8 })

const junk = fc.oneof(
  fc.constantFrom<unknown>(null, '', 5, -1, 1.5, true, [], {}, 'PT1X', 'x y', [null], { a: null }),
  fc.jsonValue({ maxDepth: 2 }),
)

/** The same with one value somewhere replaced by, or one key added with, what does not belong there. */
export const brokenObjectsArbitrary: fc.Arbitrary<Json[]> = fc
  .record({
    objects: fc.array(object, { minLength: 1, maxLength: 5 }),
    way: fc.array(fc.nat(7), { minLength: 1, maxLength: 6 }),
    key: fc.constantFrom(undefined, 'nmae', '', '__proto__', 'a.b/c', '0'),
    value: junk,
  })
  .map(({ objects, way, key, value }) => {
    const copy = structuredClone(objects)
    spoil(copy, way, { key, value })
    return copy
  })

function spoil(
  node: unknown,
  [step = 0, ...way]: readonly number[],
  change: { key: string | undefined; value: unknown },
): void {
  if (typeof node !== 'object' || node === null) return
  const keys = Object.keys(node)
  const key = keys[step % Math.max(keys.length, 1)]
  const next: unknown = key === undefined ? undefined : Reflect.get(node, key)
  const atEnd = way.length === 0 || typeof next !== 'object' || next === null
  if (!atEnd) return spoil(next, way, change)
  const at = Array.isArray(node) ? key : (change.key ?? key)
  if (at !== undefined) {
    Object.defineProperty(node, at, {
      value: change.value,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
}

/** A delivery that metadata and YAML say in the same words. */
export const sharedDeliveryArbitrary: fc.Arbitrary<Delivery> = fc.record({
  retry: fc.nat(20),
  backoffPolicy: fc.constantFrom('linear' as const, 'exponential' as const),
  backoffDelay: duration,
  timeout: duration.filter((text) => text !== 'PT0S'),
  retryAfterMax: duration,
})
