/**
 * From what a handler returned to an event of its own: fills in what the handler left out, so that a
 * redelivery of the same cause makes the same ids.
 */
import { hash } from 'node:crypto'
import type { Attributes, AttributeValue, Event } from '../contract/event.ts'
import type { WorkReply } from '../contract/work.ts'
import { MillraceError } from '../errors.ts'

/** Replies in a row, each to the one before, of which the last is still published. */
const MAX_HOPS = 255
/** How many replies in a row led to an event, and how often it went on into a broker; else 0. */
const HOPS = 'millracehops'

export interface ReplyOrigin {
  cause: Event
  /** `namespace/name` of the trigger. */
  trigger: string
  /** Name and namespace of the function. */
  function: string
  namespace: string
  /**
   * The reply keeps the identity that it came with, also that of its cause, and what it says of causes:
   * Knative takes the events of HTTP subscribers and EventTransforms as they are. Default false.
   */
  keepsIdentity?: boolean
}

/**
 * `index` is the reply's place among the replies to one event. The reply's own attributes are completed in
 * place: it is nobody else's. Throws `FN_DELIVERY_HOP_LIMIT` for one reply too many in a row.
 */
export function completeReply(reply: WorkReply, index: number, origin: ReplyOrigin): Event {
  const cause = origin.cause.attributes
  const attributes = reply.attributes as Attributes
  // A reply that repeats its cause's identity would be taken for the cause itself.
  const repeats = attributes.id === cause.id && attributes.source === cause.source
  const isNew = !origin.keepsIdentity
  if ((repeats && isNew) || attributes.id === undefined) {
    attributes.id = derivedId(cause, index, origin)
  }
  attributes.specversion = '1.0'
  attributes.source ??= `/${origin.namespace}/functions/${origin.function}`
  if (isNew) {
    attributes.time ??= now()
    attributes['causationid'] = cause.id
    attributes['correlationid'] = cause['correlationid'] ?? cause.id
  } else {
    attributes['causationid'] ??= cause.id
    attributes['correlationid'] ??= cause['correlationid'] ?? cause.id
  }
  attributes[HOPS] = nextHop(cause, attributes, index)
  if (reply.data?.kind === 'json') attributes.datacontenttype ??= 'application/json'
  if (attributes['partitionkey'] === undefined && cause['partitionkey'] !== undefined) {
    attributes['partitionkey'] = cause['partitionkey']
  }
  continueTrace(cause, attributes)
  return { attributes, data: reply.data }
}

/**
 * Over several hops the distributed tracing extension carries the trace in which the chain began, so a
 * reply goes on with its cause's. A state without its parent would mean nothing: they go together.
 */
function continueTrace({ traceparent, tracestate }: Attributes, reply: Attributes): void {
  if (reply['traceparent'] !== undefined || traceparent === undefined || traceparent === '') return
  reply['traceparent'] = traceparent
  if (tracestate !== undefined) reply['tracestate'] ??= tracestate
}

/**
 * The event as it goes on, unchanged, into a broker: that counts as well, or two triggers that hand events
 * to each other's broker would do so for ever. Undefined where it has gone on too often.
 */
export function countedEvent(event: Event): Event | undefined {
  const hops = hopsOf(event.attributes[HOPS]) + 1
  if (hops > MAX_HOPS) return undefined
  return { ...event, attributes: { ...event.attributes, [HOPS]: hops } }
}

/** What `countedEvent` stopped. */
export function hopLimit({ attributes }: Event, topic: string): MillraceError {
  return new MillraceError(
    'FN_DELIVERY_HOP_LIMIT',
    `event ${attributes.id} has gone on ${MAX_HOPS} times, and now again into ${topic}: triggers send events to each other's broker in a circle. ` +
      'Give one of them a filter that ends it; `fn graph` shows where events go',
  )
}

function nextHop(cause: Attributes, reply: Attributes, index: number): number {
  const hops = hopsOf(cause[HOPS]) + 1
  if (hops <= MAX_HOPS) return hops
  throw new MillraceError(
    'FN_DELIVERY_HOP_LIMIT',
    `reply ${index} of type ${reply.type} would be number ${hops} in a row of replies to replies, and ${MAX_HOPS} are possible: ` +
      `functions react to each other in a circle since the event ${String(reply['correlationid'])}. \`fn check\` names the circles that it can see`,
  )
}

/** A log that knows only texts gives an integer back as its digits. What is no count counts 0. */
function hopsOf(value: AttributeValue | undefined): number {
  if (typeof value === 'string' && /^\d+$/.test(value)) return Number(value)
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : 0
}

const clock = { ms: 0, text: '' }

/** Many replies complete within one millisecond. */
function now(): string {
  const ms = Date.now()
  if (ms !== clock.ms) {
    clock.ms = ms
    clock.text = new Date(ms).toISOString()
  }
  return clock.text
}

function derivedId(cause: Attributes, index: number, origin: ReplyOrigin): string {
  const identity = JSON.stringify([cause.source, cause.id, origin.function, origin.trigger, index])
  return hash('sha256', identity, 'hex').slice(0, 32)
}
