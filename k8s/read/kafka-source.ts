/** KafkaSources as triggers on topics of any making. */
import { deadLetterStateTopic } from '../../runtime/broker/names.ts'
import type { Ordering, TriggerManifest } from '../../runtime/contract/manifest.ts'
import { ORDER } from './annotations.ts'
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
import { CONCURRENCY, noteAutoscaling, orderingOf, sinkOf } from './trigger.ts'

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
  const topics = topicsOf(known, compilation)
  const route = routeOf(spec.sink, {
    compilation,
    at: within(at, 'sink'),
    // What a sink answers a source is dropped.
    replyTo: { kind: 'none' },
    reads: topics,
    ...delivery,
  })
  if (route === undefined || ordering === undefined) return
  for (const topic of topics) {
    const trigger: TriggerManifest = {
      namespace: resource.namespace,
      ...namesOf(known, { topic, several: topics.length > 1 }, compilation),
      broker: brokerOfTopic(topic, compilation),
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
  }
}

function topicsOf(known: Known, compilation: Compilation): string[] {
  const { topics } = specOf<KafkaSourceSpec>(known)
  const possible = topics.filter((topic, index) => {
    if (TOPIC.test(topic)) return true
    compilation.error(
      { resource: known.resource, path: ['spec', 'topics', index] },
      `${JSON.stringify(topic)} is no topic that Kafka can have`,
    )
    return false
  })
  return [...new Set(possible)]
}

/**
 * A topic that no broker has is nobody's but Kafka's: sources of all namespaces that read it call it the
 * same, and the ingress takes no events for it.
 */
function brokerOfTopic(topic: string, { brokers }: Compilation): string {
  const own = [...brokers.values()].find((broker) => broker.topic === topic)
  return own?.name ?? `kafka/${topic}`
}

/**
 * Knative makes up a group where none is given, at random; ours must be the same each time. Several topics
 * share it, as they do in Knative, and have each a trigger with dead letters of its own. A group may have
 * any characters, a topic may not.
 */
function namesOf(
  known: Known,
  { topic, several }: { topic: string; several: boolean },
  compilation: Compilation,
): Pick<TriggerManifest, 'name' | 'group' | 'topicPrefix'> {
  const { resource } = known
  const { namespace, name } = resource
  const { consumerGroup: group = `knative-kafka-source-${namespace}-${name}` } =
    specOf<KafkaSourceSpec>(known)
  const own = several ? `${group}.${topic}` : group
  const topicPrefix = own.replaceAll(/[^a-zA-Z0-9._-]/g, '_')
  const longest = deadLetterStateTopic(topicPrefix)
  if (!TOPIC.test(longest)) {
    compilation.error(
      { resource, path: ['spec', 'topics'] },
      `its dead letters would need the topic ${longest}, which is longer than Kafka's 249 characters; use a shorter consumerGroup`,
    )
  }
  return {
    name: several ? `${name}.${topic}` : name,
    group,
    ...(topicPrefix === group ? {} : { topicPrefix }),
  }
}

/** `ordered`, unless its field or the annotation of triggers says otherwise. */
function sourceOrdering(known: Known, compilation: Compilation): Ordering | undefined {
  const { ordering } = specOf<KafkaSourceSpec>(known)
  if (ordering === undefined || annotationsOf(known)[ORDER] !== undefined) {
    return orderingOf(known, compilation, 'partition')
  }
  return ordering.toLowerCase() === 'unordered' ? 'none' : 'partition'
}
