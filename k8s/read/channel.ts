/** Channels as topics, and Subscriptions as triggers on them. */
import { subscriptionGroup } from '../../runtime/broker/names.ts'
import type { TriggerManifest } from '../../runtime/contract/manifest.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import type { ChannelSpec, DeliverySpec, SubscriptionSpec } from './bodies.ts'
import { channelSettings } from './channel-settings.ts'
import { attempt, specOf, within, type At, type Compilation, type Known } from './compilation.ts'
import { NO_RETRY } from './delivery-policy.ts'
import { deliveryOf, type Delivery } from './delivery.ts'
import { replyDestination, routeOf, type Route } from './destination.ts'
import { channelBroker, channelOf, isDurableEach } from './flow-names.ts'
import { groupOf, refKindOf } from './kinds.ts'
import { CONCURRENCY, orderingOf, sinkOf } from './trigger.ts'

const CHANNEL_KINDS = ['Channel', 'KafkaChannel', 'InMemoryChannel'] as const

export function compileChannels(compilation: Compilation): void {
  for (const known of CHANNEL_KINDS.flatMap((kind) => compilation.of(kind))) {
    const { resource } = known
    const { channelTemplate, ...own } = specOf<ChannelSpec>(known)
    const at: At = { resource, path: ['spec', 'channelTemplate', 'kind'] }
    if (resource.kind === 'InMemoryChannel') {
      compilation.note(
        { resource, path: ['kind'] },
        'is a topic of the log in Millrace, and durable',
      )
    }
    if (channelTemplate !== undefined && channelTemplate.kind !== 'KafkaChannel') {
      compilation.note(at, `no ${channelTemplate.kind} is made: the channel is a topic of the log`)
    }
    const name = channelBroker(resource, resource.name)
    const settings = channelSettings({ ...channelTemplate?.spec, ...own })
    attempt(compilation, { resource, path: ['metadata', 'name'] }, () =>
      compilation.brokers.set(name, {
        name,
        topic: channelOf(resource, resource.name),
        ...settings,
      }),
    )
  }
}

export function compileSubscriptions(compilation: Compilation): void {
  for (const known of compilation.of('Subscription')) {
    if (!isOfDurableFlow(known, compilation)) compileSubscription(known, compilation)
  }
}

/**
 * Knative's controller made it for a step that is a trigger of the same name here. With `durable: ends` it
 * hands on what Knative left in the channel.
 */
function isOfDurableFlow({ resource, body }: Known, compilation: Compilation): boolean {
  const owners = isRecord(body['metadata']) ? body['metadata']['ownerReferences'] : undefined
  if (!Array.isArray(owners)) return false
  return owners.filter(isRecord).some(({ apiVersion, kind, name }) => {
    if (groupOf(String(apiVersion)) !== 'flows.knative.dev') return false
    if (kind !== 'Sequence' && kind !== 'Parallel') return false
    const flow = compilation.find(kind, resource.namespace, String(name))
    return flow !== undefined && isDurableEach(flow)
  })
}

function compileSubscription(known: Known, compilation: Compilation): void {
  const { resource } = known
  const { channel } = specOf<SubscriptionSpec>(known)
  const subscribed = channelNamed(known, compilation)
  const delivery = subscriptionDelivery(known, subscribed, compilation)
  const route = subscriptionRoute(known, delivery, compilation)
  const ordering = orderingOf(known, compilation, 'key')
  if (subscribed === undefined || route === undefined || ordering === undefined) return
  compilation.links.push({
    from: subscribed.resource,
    to: resource,
    at: { resource, path: ['spec', 'channel', 'name'] },
  })
  const broker = channelBroker(resource, channel.name)
  const topic = compilation.brokers.get(broker)?.topic
  const name = { namespace: resource.namespace, name: channel.name }
  const group = attempt(compilation, { resource, path: ['metadata', 'name'] }, () =>
    subscriptionGroup(name, uidOf(known) ?? resource.name),
  )
  if (topic === undefined || group === undefined) return
  const trigger: TriggerManifest = {
    namespace: resource.namespace,
    name: resource.name,
    broker,
    topic,
    group,
    filters: [],
    ordering,
    concurrency: CONCURRENCY,
    startFrom: 'latest',
    delivery: delivery.policy(route.subscriber),
    ...route,
    ...sinkOf(delivery),
    declaredIn: resource.place([]),
  }
  compilation.triggers.set(trigger, { resource, path: ['metadata', 'name'] })
}

function channelNamed(known: Known, compilation: Compilation): Known | undefined {
  const { resource } = known
  const { channel } = specOf<SubscriptionSpec>(known)
  const at: At = { resource, path: ['spec', 'channel'] }
  const group = channel.group ?? groupOf(channel.apiVersion ?? '')
  const kind = CHANNEL_KINDS.find((one) => one === refKindOf(group, channel.kind))
  if (kind === undefined) {
    compilation.error(
      within(at, 'kind'),
      `must be Channel, KafkaChannel or InMemoryChannel of messaging.knative.dev/v1, but is ${channel.kind} of ${JSON.stringify(channel.apiVersion ?? group)}`,
    )
    return undefined
  }
  if ((channel.namespace ?? resource.namespace) !== resource.namespace) {
    compilation.error(within(at, 'namespace'), 'must be the namespace of the Subscription')
    return undefined
  }
  const found = compilation.find(kind, resource.namespace, channel.name)
  if (found !== undefined) return found.broken ? undefined : found
  const guess = compilation.guess(kind, resource.namespace, channel.name)
  compilation.error(
    within(at, 'name'),
    `there is no ${channel.kind} ${resource.namespace}/${channel.name} among the resources${guess}`,
  )
  return undefined
}

/** Its own, else the channel's, else nothing is retried (eventing, `reconciler/subscription`). */
function subscriptionDelivery(
  known: Known,
  channel: Known | undefined,
  compilation: Compilation,
): Delivery {
  const own = specOf<SubscriptionSpec>(known).delivery
  const inherited: DeliverySpec | undefined = channel && specOf<ChannelSpec>(channel).delivery
  const of = own === undefined && channel !== undefined ? channel : known
  const at: At = { resource: of.resource, path: ['spec', 'delivery'] }
  return deliveryOf(own ?? inherited ?? NO_RETRY, { compilation, at })
}

function subscriptionRoute(
  known: Known,
  delivery: Delivery,
  compilation: Compilation,
): Route | undefined {
  const { subscriber, reply } = specOf<SubscriptionSpec>(known)
  const at: At = { resource: known.resource, path: ['spec'] }
  if (subscriber === undefined && reply === undefined) {
    compilation.error(
      within(at, 'subscriber'),
      'is missing; a Subscription has a subscriber, a reply, or both',
    )
    return undefined
  }
  const replyTo = replyDestination(reply, { compilation, at: within(at, 'reply') })
  if (subscriber === undefined) return replyTo && { subscriber: { kind: 'pass' }, reply: replyTo }
  const route = routeOf(subscriber, {
    compilation,
    at: within(at, 'subscriber'),
    replyTo: replyTo ?? { kind: 'none' },
    ...delivery,
  })
  return replyTo && route
}

function uidOf({ body }: Known): string | undefined {
  const uid = isRecord(body['metadata']) ? body['metadata']['uid'] : undefined
  return typeof uid === 'string' && uid !== '' ? uid : undefined
}
