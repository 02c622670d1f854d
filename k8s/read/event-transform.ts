/**
 * EventTransform: JSONata as a subscriber. One with a sink is a small flow: transform, send, and
 * transform the answer (knative/eventing, `apis/eventing/v1alpha1/eventtransform_types.go`).
 */
import type { Destination, Subscriber } from '../../runtime/contract/subscriber.ts'
import type { FlowStep } from '../../runtime/contract/topology.ts'
import type { DestinationSpec, EventTransformSpec } from './bodies.ts'
import { objectName, specOf, type Known } from './compilation.ts'
import { NO_RETRY, policyOf } from './delivery-policy.ts'
import type { DestinationContext, Route } from './destination.ts'
import { channelOf } from './flow-names.ts'

type RouteOf = (
  spec: DestinationSpec,
  context: DestinationContext & { replyTo: Destination },
) => Route | undefined

export function transformDestination(
  known: Known,
  context: DestinationContext,
  routeOf: RouteOf,
): Destination | undefined {
  const { resource } = known
  const { jsonata, sink, reply } = specOf<EventTransformSpec>(known)
  if (sink !== undefined) return sinkFlow(known, { ...context, routeOf })
  if (reply !== undefined) {
    context.compilation.note(
      { resource, path: ['spec', 'reply'] },
      'is not used: without a sink, what the transformation gives is the reply',
    )
  }
  return transformOf(objectName(known), jsonata)
}

/** One for each way in which it is used: the answer and the delivery are the user's. */
function sinkFlow(
  known: Known,
  context: DestinationContext & { routeOf: RouteOf },
): Destination | undefined {
  const { compilation, via = [], replyTo = { kind: 'none' }, deadLetterSink, format } = context
  const { policy = (subscriber) => policyOf(NO_RETRY, subscriber) } = context
  const { resource } = known
  const { jsonata, sink, reply } = specOf<EventTransformSpec>(known)
  const name = objectName(known)
  // The circle itself is reported with all others.
  if (sink === undefined || via.includes(name)) return undefined
  const transform = transformOf(name, jsonata)
  const use = [replyTo, deadLetterSink, format, policy({ kind: 'http', url: '' })]
  const key = `${name} ${JSON.stringify(use)}`
  const existing = compilation.transforms.get(key)
  if (existing !== undefined) return { kind: 'channel', channel: existing }

  const count = [...compilation.transforms.keys()].filter((one) =>
    one.startsWith(`${name} `),
  ).length
  const base = `${resource.name}-kn-transform${count === 0 ? '' : `-${count}`}`
  const channel = (part: string): string => channelOf(resource, `${base}${part}`)
  const back = reply?.discard === true ? undefined : reply?.jsonata
  const answerTo: Destination =
    reply?.discard === true
      ? { kind: 'none' }
      : back === undefined
        ? replyTo
        : { kind: 'channel', channel: channel('-reply') }
  const route = context.routeOf(sink, {
    ...context,
    at: { resource, path: ['spec', 'sink'] },
    via: [...via, name],
    replyTo: answerTo,
  })
  if (route === undefined) return undefined
  const step = (part: string, subscriber: Subscriber, to: Destination): FlowStep => ({
    namespace: resource.namespace,
    name: `${base}${part}`,
    channel: channel(part),
    subscriber,
    delivery: policy(subscriber),
    reply: to,
    ...(deadLetterSink === undefined ? {} : { deadLetterSink }),
  })
  const handsOn = route.subscriber.kind === 'pass'
  const toSink: Destination = { kind: 'channel', channel: channel('-sink') }
  compilation.transforms.set(key, channel(''))
  compilation.flows.push({
    name: `${resource.namespace}/${base}`,
    kind: 'EventTransform',
    entry: channel(''),
    steps: [
      step('', transform, handsOn ? route.reply : toSink),
      ...(handsOn ? [] : [step('-sink', route.subscriber, route.reply)]),
      ...(back === undefined ? [] : [step('-reply', transformOf(`${name}/reply`, back), replyTo)]),
    ],
  })
  return { kind: 'channel', channel: channel('') }
}

function transformOf(name: string, { expression }: { expression: string }): Subscriber {
  return { kind: 'transform', name, expression }
}
