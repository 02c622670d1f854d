import { triggerGroup } from '../../runtime/broker/names.ts'
import {
  attributesProblems,
  filterProblems,
  filtersOf,
} from '../../runtime/contract/filter-check.ts'
import type { Ordering, TriggerManifest } from '../../runtime/contract/manifest.ts'
import type { Filter } from '../../runtime/contract/metadata.ts'
import type { BrokerManifest } from '../../runtime/contract/topology.ts'
import { FILTER_COMPAT, ORDER } from './annotations.ts'
import type { TriggerSpec } from './bodies.ts'
import { brokerDelivery, brokerNamed } from './broker-named.ts'
import {
  annotationsOf,
  attempt,
  specOf,
  statusAnnotationsOf,
  within,
  type At,
  type Compilation,
  type Known,
} from './compilation.ts'
import { CLUSTER_DEFAULT } from './delivery-policy.ts'
import { deliveryOf, type Delivery } from './delivery.ts'
import { routeOf } from './destination.ts'
import { problemAt } from './field-path.ts'

export const CONCURRENCY = 64
const AUTOSCALING = 'autoscaling.eventing.knative.dev/'
const KAFKA = 'knative-kafka'
const STATUS_GROUP = 'group.id'
const STATUS_TOPIC = 'default.topic'

export function compileTriggers(compilation: Compilation): void {
  for (const known of compilation.of('Trigger')) {
    const trigger = triggerOf(known, compilation)
    if (trigger !== undefined) {
      compilation.triggers.set(trigger, { resource: known.resource, path: ['metadata', 'name'] })
    }
  }
}

function triggerOf(known: Known, compilation: Compilation): TriggerManifest | undefined {
  const { resource } = known
  const spec = specOf<TriggerSpec>(known)
  const at: At = { resource, path: ['spec'] }
  const status = statusAnnotationsOf(known)
  // Everything that is wrong is found in one go.
  const broker = namedBroker(known, compilation)
  const filters = filtersAt(known, compilation)
  const ordering = orderingOf(known, compilation, 'key')
  noteAutoscaling(known, compilation)
  const delivery = triggerDelivery(known, compilation, broker)
  const topic = status[STATUS_TOPIC] ?? broker?.topic
  const route = routeOf(spec.subscriber, {
    compilation,
    at: within(at, 'subscriber'),
    replyTo: { kind: 'topic', topic: topic ?? '' },
    reads: topic === undefined ? [] : [topic],
    ...delivery,
  })
  const group = attempt(
    compilation,
    { resource, path: ['metadata', 'name'] },
    () => status[STATUS_GROUP] ?? triggerGroup(resource),
  )
  if (!broker || !filters || !ordering || !route || !group || topic === undefined) return undefined
  if (delivery.deadLetterSink?.kind === 'topic' && delivery.deadLetterSink.topic === topic) {
    compilation.note(
      within(at, 'delivery', 'deadLetterSink'),
      `is the broker that the events come from: what fails comes back to ${resource.name} where its filters let it pass, and becomes an ordinary dead letter after 255 rounds`,
    )
  }
  const isOwnReply = route.reply.kind === 'topic' && route.reply.topic === topic
  return {
    namespace: resource.namespace,
    name: resource.name,
    broker: broker.name,
    topic,
    group,
    filters,
    ordering,
    concurrency: CONCURRENCY,
    startFrom: 'latest',
    delivery: delivery.policy(route.subscriber),
    subscriber: route.subscriber,
    ...(isOwnReply ? {} : { reply: route.reply }),
    ...sinkOf(delivery),
    declaredIn: resource.place([]),
  }
}

export function sinkOf({ deadLetterSink }: Delivery): Pick<TriggerManifest, 'deadLetterSink'> {
  return deadLetterSink === undefined ? {} : { deadLetterSink }
}

/** By the annotation that Knative's Kafka triggers have. */
export function orderingOf(
  known: Known,
  compilation: Compilation,
  absent: Ordering,
): Ordering | undefined {
  const value = annotationsOf(known)[ORDER]
  switch (value?.toLowerCase()) {
    case undefined:
      return absent
    case 'unordered':
      return 'none'
    case 'ordered':
      return 'partition'
    default:
      compilation.error(
        { resource: known.resource, path: ['metadata', 'annotations', ORDER] },
        `must be "ordered" or "unordered", but is ${JSON.stringify(value)}; without it events of one key stay in order`,
      )
      return undefined
  }
}

export function noteAutoscaling(known: Known, compilation: Compilation): void {
  const { resource } = known
  for (const key of Object.keys(annotationsOf(known))) {
    if (!key.startsWith(AUTOSCALING)) continue
    compilation.note(
      { resource, path: ['metadata', 'annotations', key] },
      'is not used: one deployment serves all triggers, and it is scaled as a whole',
    )
  }
}

function namedBroker(known: Known, compilation: Compilation): BrokerManifest | undefined {
  const { resource } = known
  const { broker, brokerRef } = specOf<TriggerSpec>(known)
  const at: At = { resource, path: ['spec', 'broker'] }
  if (broker !== undefined && brokerRef !== undefined) {
    compilation.error(at, 'stands beside brokerRef; keep one of them')
    return undefined
  }
  if (broker === undefined && brokerRef === undefined) {
    compilation.error(at, 'is missing')
    return undefined
  }
  if (brokerRef === undefined) {
    return brokerNamed({ namespace: resource.namespace, name: broker ?? '' }, compilation, at)
  }
  const refAt: At = { resource, path: ['spec', 'brokerRef'] }
  if (brokerRef.kind !== 'Broker') {
    compilation.error(
      within(refAt, 'kind'),
      `must be "Broker", but is ${JSON.stringify(brokerRef.kind)}`,
    )
    return undefined
  }
  const name = { namespace: brokerRef.namespace ?? resource.namespace, name: brokerRef.name }
  return brokerNamed(name, compilation, within(refAt, 'name'))
}

/** A `delivery` of its own replaces the broker's whole one (eventing, `trigger.go`; Kafka, `triggerv2.go`). */
function triggerDelivery(
  known: Known,
  compilation: Compilation,
  broker: BrokerManifest | undefined,
): Delivery {
  const { delivery } = specOf<TriggerSpec>(known)
  const at: At = { resource: known.resource, path: ['spec', 'delivery'] }
  if (delivery !== undefined) return deliveryOf(delivery, { compilation, at })
  const inherited = broker && brokerDelivery(broker.name, compilation)
  if (inherited === undefined) return deliveryOf(CLUSTER_DEFAULT, { compilation, at })
  return deliveryOf(inherited.delivery, { compilation, at: inherited.at })
}

function filtersAt(known: Known, compilation: Compilation): Filter[] | undefined {
  const { resource } = known
  const spec = specOf<TriggerSpec>(known)
  const { filters = [], filter } = spec
  const compat = annotationsOf(known)[FILTER_COMPAT]
  if (compat !== undefined && compat !== KAFKA) {
    compilation.error(
      { resource, path: ['metadata', 'annotations', FILTER_COMPAT] },
      `must be "${KAFKA}", but is ${JSON.stringify(compat)}`,
    )
    return undefined
  }
  const problems =
    filters.length > 0
      ? filterProblems(filters, 'spec.filters', compat === KAFKA)
      : attributesProblems(filter?.attributes ?? {}, 'spec.filter.attributes')
  for (const line of problems) {
    const { path, message } = problemAt(line)
    compilation.error({ resource, path }, message)
  }
  if (problems.length > 0) return undefined
  const found = filtersOf({ ...spec, ...(compat === KAFKA && { filterCompat: KAFKA }) }, 'spec')
  if (found.warning !== undefined) {
    compilation.note(
      { resource, path: ['spec', 'filter'] },
      'is not used, because spec.filters is there and wins over it; remove one of them',
    )
  }
  return found.filters
}
