/** Flows as Knative's YAML gives them, within one process or with topics between their steps. */
import {
  DEFAULT_DELIVERY,
  type DeliveryPolicy,
  type TriggerManifest,
} from '../../runtime/contract/manifest.ts'
import type { Destination, Subscriber } from '../../runtime/contract/subscriber.ts'
import type { FlowManifest, FlowStep } from '../../runtime/contract/topology.ts'
import { sampleTrigger } from './sample-manifest.ts'

export interface SampleStep {
  subscriber: Subscriber | string
  delivery?: DeliveryPolicy
  deadLetterSink?: Destination
}

const NAMESPACE = 'events'
const BROKER_TOPIC = sampleTrigger('x').topic

export function channelOf(name: string): string {
  return `knative-messaging-kafka.${NAMESPACE}.${name}`
}

/** Replies of the last step go to `reply`; default: to the broker. */
export function sequence(
  name: string,
  steps: readonly SampleStep[],
  reply: Destination = { kind: 'topic', topic: BROKER_TOPIC },
): FlowManifest {
  const channel = (index: number): string => channelOf(`${name}-kn-sequence-${index}`)
  return {
    name: `${NAMESPACE}/${name}`,
    kind: 'Sequence',
    entry: channel(0),
    steps: steps.map((step, index) =>
      stepOf(step, {
        name: `${name}-kn-sequence-${index}`,
        channel: channel(index),
        reply:
          index === steps.length - 1 ? reply : { kind: 'channel', channel: channel(index + 1) },
      }),
    ),
  }
}

export interface SampleBranch extends SampleStep {
  filter?: Subscriber | string
  reply?: Destination
}

export function parallel(
  name: string,
  branches: readonly SampleBranch[],
  reply: Destination = { kind: 'topic', topic: BROKER_TOPIC },
): FlowManifest {
  const entry = channelOf(`${name}-kn-parallel`)
  return {
    name: `${NAMESPACE}/${name}`,
    kind: 'Parallel',
    entry,
    steps: branches.flatMap((branch, n) => {
      const channel = channelOf(`${name}-kn-parallel-${n}`)
      return [
        stepOf(
          { subscriber: branch.filter ?? { kind: 'pass' } },
          {
            name: `${name}-kn-parallel-filter-${n}`,
            channel: entry,
            reply: { kind: 'channel', channel },
          },
        ),
        stepOf(branch, { name: `${name}-kn-parallel-${n}`, channel, reply: branch.reply ?? reply }),
      ]
    }),
  }
}

/** A trigger that sends its events into the flow. */
export function into(flow: FlowManifest, name = 'orders'): TriggerManifest {
  return {
    ...sampleTrigger(name),
    filters: [{ exact: { type: 'in' } }],
    subscriber: { kind: 'pass' },
    reply: { kind: 'channel', channel: flow.entry },
  }
}

/** The same with topics between the steps: as `durable: each` compiles it. */
export function durable(
  source: TriggerManifest,
  flows: readonly FlowManifest[],
): { triggers: TriggerManifest[] } {
  const topics = (destination: Destination): Destination =>
    destination.kind === 'channel' ? { kind: 'topic', topic: destination.channel } : destination
  const steps = flows.flatMap((flow) =>
    flow.steps.map(({ deadLetterSink, ...step }): TriggerManifest => ({
      ...sampleTrigger(step.name),
      topic: step.channel,
      group: `kafka.${NAMESPACE}.${step.name}`,
      startFrom: 'earliest',
      delivery: step.delivery,
      subscriber: step.subscriber,
      reply: topics(step.reply),
      step: { name: step.name, of: flow.name },
      ...(deadLetterSink === undefined ? {} : { deadLetterSink: topics(deadLetterSink) }),
    })),
  )
  const reply = topics(source.reply ?? { kind: 'topic', topic: source.topic })
  return { triggers: [{ ...source, reply }, ...steps] }
}

function stepOf(
  { subscriber, delivery = DEFAULT_DELIVERY, deadLetterSink }: SampleStep,
  place: Pick<FlowStep, 'name' | 'channel' | 'reply'>,
): FlowStep {
  return {
    namespace: NAMESPACE,
    ...place,
    subscriber:
      typeof subscriber === 'string' ? { kind: 'function', name: subscriber } : subscriber,
    delivery,
    ...(deadLetterSink === undefined ? {} : { deadLetterSink }),
  }
}
