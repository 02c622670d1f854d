/** KafkaSources as triggers on topics of any making. */
import type { Ordering, TriggerManifest } from '../../runtime/contract/manifest.ts'
import type { KafkaSourceSpec } from './bodies.ts'
import {
  annotationsOf,
  specOf,
  within,
  type At,
  type Compilation,
  type Known,
} from './compilation.ts'
import { SOURCE_DEFAULT } from './delivery-policy.ts'
import { deliveryOf } from './delivery.ts'
import { routeOf } from './destination.ts'
import { CONCURRENCY, noteAutoscaling, ORDER, orderingOf, sinkOf } from './trigger.ts'

/** What Kafka allows as a topic. */
const TOPIC = /^[a-zA-Z0-9._-]{1,249}$/

/** Fields that are somebody else's to set, and why. */
const NOT_USED = {
  bootstrapServers:
    'which Kafka Millrace uses is said by --brokers or MILLRACE_BROKERS; this is not read',
  net: 'credentials for Kafka are not read from here',
  consumers: 'is not used: the deployment is scaled as a whole',
  ceOverrides: 'is not done: events keep the attributes that they have',
} as const

export function compileKafkaSources(compilation: Compilation): void {
  for (const known of compilation.of('KafkaSource')) compileKafkaSource(known, compilation)
}

function compileKafkaSource(known: Known, compilation: Compilation): void {
  const { resource } = known
  const spec = specOf<KafkaSourceSpec>(known)
  const at: At = { resource, path: ['spec'] }
  for (const [key, why] of Object.entries(NOT_USED)) {
    if (spec[key as keyof typeof NOT_USED] !== undefined) compilation.note(within(at, key), why)
  }
  noteAutoscaling(known, compilation)
  const delivery = deliveryOf(spec.delivery ?? SOURCE_DEFAULT, {
    compilation,
    at: within(at, 'delivery'),
  })
  const ordering = sourceOrdering(known, compilation)
  const route = routeOf(spec.sink, {
    compilation,
    at: within(at, 'sink'),
    // What a sink answers a source is dropped.
    replyTo: { kind: 'none' },
    ...delivery,
  })
  const topics = spec.topics.filter((topic, index) => {
    if (TOPIC.test(topic)) return true
    compilation.error(
      within(at, 'topics', index),
      `${JSON.stringify(topic)} is no topic that Kafka can have`,
    )
    return false
  })
  if (route === undefined || ordering === undefined) return
  if (topics.length > 1) {
    compilation.note(
      within(at, 'topics'),
      'each topic has a trigger and a group of its own, named after it; progress in one group for all of them is not taken over',
    )
  }
  for (const topic of new Set(topics)) {
    const trigger: TriggerManifest = {
      namespace: resource.namespace,
      ...namesOf(known, topic, topics.length > 1),
      broker: `${resource.namespace}/${topic}`,
      topic,
      filters: [],
      ordering,
      concurrency: CONCURRENCY,
      startFrom: spec.initialOffset === 'earliest' ? 'earliest' : 'latest',
      delivery: delivery.policy(route.subscriber),
      ...route,
      ...sinkOf(delivery),
      wrap: { namespace: resource.namespace, name: resource.name },
      declaredIn: resource.place([]),
    }
    compilation.triggers.set(trigger, { resource, path: ['metadata', 'name'] })
    const broker = { name: trigger.broker, topic }
    if (!compilation.brokers.has(broker.name)) compilation.brokers.set(broker.name, broker)
  }
}

/** Knative makes up a group where none is given, at random; ours must be the same each time. */
function namesOf(
  known: Known,
  topic: string,
  several: boolean,
): Pick<TriggerManifest, 'name' | 'group'> {
  const { namespace, name } = known.resource
  const { consumerGroup = `knative-kafka-source-${namespace}-${name}` } =
    specOf<KafkaSourceSpec>(known)
  return several
    ? { name: `${name}.${topic}`, group: `${consumerGroup}.${topic}` }
    : { name, group: consumerGroup }
}

/** `ordered`, unless its field or the annotation of triggers says otherwise. */
function sourceOrdering(known: Known, compilation: Compilation): Ordering | undefined {
  const { ordering } = specOf<KafkaSourceSpec>(known)
  if (ordering === undefined || annotationsOf(known)[ORDER] !== undefined) {
    return orderingOf(known, compilation, 'partition')
  }
  return ordering.toLowerCase() === 'unordered' ? 'none' : 'partition'
}
