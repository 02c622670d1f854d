/** What Sequences and Parallels share: steps that read channels, in one process or over the log. */
import { subscriptionGroup } from '../../runtime/broker/names.ts'
import type { DeliveryPolicy, TriggerManifest } from '../../runtime/contract/manifest.ts'
import { nearest } from '../../runtime/contract/nearest.ts'
import type { Destination, Subscriber } from '../../runtime/contract/subscriber.ts'
import type { ChannelSpec, ChannelTemplate, DeliverySpec, DestinationSpec } from './bodies.ts'
import { channelSettings } from './channel-settings.ts'
import {
  annotationsOf,
  attempt,
  objectName,
  specOf,
  within,
  type At,
  type Compilation,
  type Known,
} from './compilation.ts'
import { NO_RETRY } from './delivery-policy.ts'
import { deliveryOf } from './delivery.ts'
import { routeOf } from './destination.ts'
import { channelBroker, channelOf, DURABLE, entryOf, isDurableEach } from './flow-names.ts'
import { CONCURRENCY } from './trigger.ts'

/** One Subscription, as Knative would make it. */
export interface StepPlan {
  name: string
  /** The channel that it reads, without its namespace. */
  channel: string
  /** None: events are handed on. */
  subscriber?: DestinationSpec
  at: At
  delivery?: DeliverySpec
  /** Default: beside the subscriber. */
  deliveryAt?: At
  /** Undefined where it is wrong, which was said. */
  replyTo: Destination | undefined
}

interface Step {
  plan: StepPlan
  subscriber: Subscriber
  reply: Destination
  delivery: DeliveryPolicy
  deadLetterSink?: Destination
}

const OWN_PREFIX = 'millrace.dev/'
const FLOW_KINDS = ['Sequence', 'Parallel', 'Channel', 'InMemoryChannel', 'KafkaChannel']

/** The annotations, and what is not done as the channelTemplate says. */
export function checkFlow(known: Known, compilation: Compilation): void {
  const { resource } = known
  for (const [key, value] of Object.entries(annotationsOf(known))) {
    const at: At = { resource, path: ['metadata', 'annotations', key] }
    if (key === DURABLE && value !== 'each' && value !== 'ends') {
      compilation.error(at, `must be "each" or "ends", but is ${JSON.stringify(value)}`)
    }
    if (key.startsWith(OWN_PREFIX) && key !== DURABLE) {
      const guess = nearest(key, [DURABLE])
      compilation.error(at, `is not known; ${guess ? 'did you mean' : 'known is'} "${DURABLE}"`)
    }
  }
  const { channelTemplate } = specOf<{ channelTemplate?: ChannelTemplate }>(known)
  if (channelTemplate === undefined) return
  const at: At = { resource, path: ['spec', 'channelTemplate', 'kind'] }
  if (isDurableEach(known)) {
    if (channelTemplate.kind === 'KafkaChannel') return
    compilation.note(at, `between the steps are topics of the log, not an ${channelTemplate.kind}`)
    return
  }
  compilation.note(
    at,
    `no ${channelTemplate.kind} is made: the steps run in one process, between the log's ends; for a topic between steps set the annotation ${DURABLE}: each`,
  )
}

/** Takes events and gives no reply. */
export function entersFlow({ ref }: DestinationSpec): boolean {
  return ref !== undefined && [...FLOW_KINDS, 'Broker', 'KafkaSink'].includes(ref.kind)
}

export function addFlow(known: Known, plans: readonly StepPlan[], compilation: Compilation): void {
  const steps = plans.map((plan) => stepOf(plan, compilation))
  if (!steps.every((step) => step !== undefined)) return
  if (isDurableEach(known)) addTriggers(known, steps, compilation)
  else addInProcess(known, steps, compilation)
}

function stepOf(plan: StepPlan, compilation: Compilation): Step | undefined {
  const { subscriber: spec, at, replyTo, deliveryAt = within(at, 'delivery') } = plan
  const delivery = deliveryOf(plan.delivery ?? NO_RETRY, { compilation, at: deliveryAt })
  const pass: Subscriber = { kind: 'pass' }
  const route =
    spec === undefined
      ? { subscriber: pass, reply: replyTo ?? { kind: 'none' } }
      : routeOf(spec, { compilation, at, replyTo: replyTo ?? { kind: 'none' }, ...delivery })
  if (route === undefined || replyTo === undefined) return undefined
  return {
    plan,
    ...route,
    delivery: delivery.policy(route.subscriber),
    ...(delivery.deadLetterSink === undefined ? {} : { deadLetterSink: delivery.deadLetterSink }),
  }
}

function addInProcess(known: Known, steps: readonly Step[], compilation: Compilation): void {
  const { resource } = known
  const entry = attempt(compilation, nameAt(known), () => entryOf(known))
  if (entry?.kind !== 'channel') return
  compilation.flows.push({
    name: objectName(known),
    kind: known.kind === 'Parallel' ? 'Parallel' : 'Sequence',
    entry: entry.channel,
    steps: steps.map(({ plan, ...step }) => ({
      namespace: resource.namespace,
      name: plan.name,
      channel: channelOf(resource, plan.channel),
      ...step,
    })),
  })
}

function addTriggers(known: Known, steps: readonly Step[], compilation: Compilation): void {
  const { resource } = known
  const { channelTemplate } = specOf<{ channelTemplate?: ChannelTemplate }>(known)
  const settings = channelSettings((channelTemplate?.spec ?? {}) as ChannelSpec)
  for (const { plan, subscriber, reply, delivery, deadLetterSink } of steps) {
    const channel = { namespace: resource.namespace, name: plan.channel }
    const broker = channelBroker(resource, plan.channel)
    attempt(compilation, nameAt(known), () => {
      const topic = channelOf(resource, plan.channel)
      const trigger: TriggerManifest = {
        namespace: resource.namespace,
        name: plan.name,
        broker,
        topic,
        group: subscriptionGroup(channel, plan.name),
        filters: [],
        ordering: 'key',
        concurrency: CONCURRENCY,
        // What the step before it wrote must not be missed, whoever was first.
        startFrom: 'earliest',
        delivery,
        subscriber,
        reply,
        ...(deadLetterSink === undefined ? {} : { deadLetterSink }),
        step: { name: plan.name, of: `${resource.namespace}/${plan.name}` },
        declaredIn: plan.at.resource.place(plan.at.path),
      }
      compilation.brokers.set(broker, { name: broker, topic, ...settings })
      compilation.triggers.set(trigger, nameAt(known))
    })
  }
}

function nameAt({ resource }: Known): At {
  return { resource, path: ['metadata', 'name'] }
}
