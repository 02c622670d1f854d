/** Knative's `Destination` as what Millrace calls or writes to (knative/pkg, `resolver/addressable_resolver.go`). */
import type { DeliveryPolicy } from '../../runtime/contract/manifest.ts'
import type { Destination, HttpSubscriber, Subscriber } from '../../runtime/contract/subscriber.ts'
import type { DestinationSpec, Ref } from './bodies.ts'
import { certificatesProblem } from './certificates.ts'
import { brokerNamed } from './broker-named.ts'
import { specOf, within, type At, type Compilation, type Known } from './compilation.ts'
import { transformDestination } from './event-transform.ts'
import { channelOf, entryOf } from './flow-names.ts'
import { groupOf, refKindOf, type CompiledKind } from './kinds.ts'
import { addressOf } from './service.ts'

export interface DestinationContext {
  compilation: Compilation
  at: At
  /** How events are sent to an address. */
  format?: 'json' | 'binary'
  /** Where the answer of what an EventTransform sends to goes; none: it is dropped. */
  replyTo?: Destination
  /** Of what an EventTransform sends; none: nothing is retried. */
  policy?: (subscriber: Subscriber) => DeliveryPolicy
  deadLetterSink?: Destination
  /** EventTransforms that led here. */
  via?: readonly string[]
}

/** Who handles an event, and where the reply goes. */
export interface Route {
  subscriber: Subscriber
  reply: Destination
}

const ADDRESSABLE =
  'a Service, Broker, Sequence, Parallel, Channel, EventTransform or KafkaSink can be named; give anything else by uri'

/** As `destinationOf`, of what may be left out: then replies are dropped. */
export function replyDestination(
  spec: DestinationSpec | undefined,
  context: DestinationContext,
): Destination | undefined {
  return spec === undefined ? { kind: 'none' } : destinationOf(spec, context)
}

/** Undefined after a finding that says why. */
export function destinationOf(
  spec: DestinationSpec,
  context: DestinationContext,
): Destination | undefined {
  const { compilation, at } = context
  if (spec.audience !== undefined) {
    compilation.note(within(at, 'audience'), 'OIDC is not spoken; requests carry no token')
  }
  if (spec.ref !== undefined) return byRef(spec, spec.ref, context)
  if (spec.uri === undefined) {
    compilation.error(at, 'needs a ref or a uri')
    return undefined
  }
  const problem = urlProblem(spec.uri)
  if (problem === undefined) return httpOf(spec.uri, spec, context)
  compilation.error(within(at, 'uri'), problem)
  return undefined
}

/**
 * What hands an event on as it is, is a subscriber that replies with it. `reads` are the topics that
 * the events come from.
 */
export function routeOf(
  spec: DestinationSpec,
  context: DestinationContext & { replyTo: Destination; reads?: readonly string[] },
): Route | undefined {
  const destination = destinationOf(spec, context)
  if (destination === undefined) return undefined
  if (destination.kind === 'topic' && context.reads?.includes(destination.topic)) {
    context.compilation.error(
      context.at,
      `is where the events come from (topic ${destination.topic}), so each would come back for ever`,
    )
    return undefined
  }
  switch (destination.kind) {
    case 'topic':
    case 'channel':
    case 'none':
      return { subscriber: { kind: 'pass' }, reply: destination }
    default:
      return { subscriber: destination, reply: context.replyTo }
  }
}

function byRef(
  spec: DestinationSpec,
  ref: Ref,
  context: DestinationContext,
): Destination | undefined {
  const { compilation, at } = context
  const kind = refKind(ref, context)
  if (kind === undefined) return undefined
  const name = { namespace: ref.namespace ?? at.resource.namespace, name: ref.name }
  if (kind === 'Service' || kind === 'KnativeService')
    return byService(spec, { name, kind }, context)
  if (spec.uri !== undefined) {
    compilation.error(
      within(at, 'uri'),
      `a path is for a Service; a ${ref.kind} has none, so remove the uri`,
    )
    return undefined
  }
  if (kind === 'Broker') {
    const broker = brokerNamed(name, compilation, within(at, 'ref', 'name'))
    return broker === undefined ? undefined : { kind: 'topic', topic: broker.topic }
  }
  const known = compilation.find(kind, name.namespace, name.name)
  if (known === undefined) {
    const guess = compilation.guess(kind, name.namespace, name.name)
    compilation.error(
      within(at, 'ref', 'name'),
      `there is no ${ref.kind} ${name.namespace}/${name.name} among the resources${guess}`,
    )
    return undefined
  }
  compilation.links.push({ from: at.resource, to: known.resource, at: within(at, 'ref', 'name') })
  return known.broken ? undefined : ofKnown(known, context)
}

function ofKnown(known: Known, context: DestinationContext): Destination | undefined {
  switch (known.kind) {
    case 'Sequence':
    case 'Parallel':
      return entryOf(known)
    case 'Channel':
    case 'InMemoryChannel':
    case 'KafkaChannel':
      return { kind: 'topic', topic: channelOf(known.resource, known.resource.name) }
    case 'KafkaSink':
      return { kind: 'topic', topic: specOf<{ topic: string }>(known).topic }
    case 'EventTransform':
      return transformDestination(known, context, routeOf)
    default:
      return undefined
  }
}

function refKind(ref: Ref, { compilation, at }: DestinationContext): CompiledKind | undefined {
  if (ref.address !== undefined) {
    compilation.note(
      within(at, 'ref', 'address'),
      'is not used; Millrace knows one address of everything',
    )
  }
  const group = ref.group ?? (ref.apiVersion === undefined ? undefined : groupOf(ref.apiVersion))
  if (group === undefined) {
    compilation.error(within(at, 'ref', 'apiVersion'), 'is missing')
    return undefined
  }
  const kind = refKindOf(group, ref.kind)
  if (kind !== undefined && !NO_ADDRESS.has(kind)) return kind
  compilation.error(
    within(at, 'ref', 'kind'),
    `a ${ref.kind} of ${ref.apiVersion ?? group} takes no events: ${ADDRESSABLE}`,
  )
  return undefined
}

const NO_ADDRESS: ReadonlySet<CompiledKind> = new Set([
  'ConfigMap',
  'Trigger',
  'Subscription',
  'KafkaSource',
])

function byService(
  spec: DestinationSpec,
  { name, kind }: { name: { namespace: string; name: string }; kind: 'Service' | 'KnativeService' },
  context: DestinationContext,
): Destination | undefined {
  const { compilation, at } = context
  const own = compilation.options.functions.find((one) => one.name === name.name)
  if (own !== undefined && (own.namespace === '' || own.namespace === name.namespace)) {
    if (spec.uri !== undefined) {
      compilation.note(
        within(at, 'uri'),
        `is not used: ${name.name} is a function of this build, which has no paths`,
      )
    }
    return { kind: 'function', name: own.name }
  }
  if (own !== undefined) {
    compilation.note(
      within(at, 'ref', 'name'),
      `the function ${own.name} belongs to the namespace "${own.namespace}", so this is the address of the ${kind === 'Service' ? 'Service' : 'Knative Service'} ${name.namespace}/${name.name}`,
    )
  }
  const base = addressOf(name, kind, compilation)
  if (spec.uri === undefined) return httpOf(base, spec, context)
  if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(spec.uri) || !URL.canParse(spec.uri, base)) {
    compilation.error(
      within(at, 'uri'),
      `beside a ref it is a path such as /orders, but is ${JSON.stringify(spec.uri)}`,
    )
    return undefined
  }
  return httpOf(new URL(spec.uri, base).href, spec, context)
}

function httpOf(
  url: string,
  { CACerts }: DestinationSpec,
  { format, compilation, at }: DestinationContext,
): HttpSubscriber | undefined {
  const problem = CACerts === undefined ? undefined : certificatesProblem(CACerts)
  if (problem !== undefined) {
    compilation.error(within(at, 'CACerts'), problem)
    return undefined
  }
  return {
    kind: 'http',
    url,
    ...(format === undefined ? {} : { format }),
    ...(CACerts === undefined ? {} : { caCerts: CACerts }),
  }
}

function urlProblem(uri: string): string | undefined {
  const example = 'must be absolute without a ref, for example http://orders.example.com/events'
  if (!URL.canParse(uri)) return `${example}, but is ${JSON.stringify(uri)}`
  const { protocol, hostname } = new URL(uri)
  if ((protocol === 'http:' || protocol === 'https:') && hostname !== '') return undefined
  return `must be http: or https:, but is ${JSON.stringify(uri)}`
}
