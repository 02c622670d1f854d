/**
 * From what a handler returned to an event of its own: fills in what the handler left out, so that a
 * redelivery of the same cause makes the same ids.
 */
import { hash } from 'node:crypto'
import type { Attributes, Event } from '../contract/event.ts'
import type { WorkReply } from '../contract/work.ts'

export interface ReplyOrigin {
  cause: Event
  /** `namespace/name` of the trigger. */
  trigger: string
  /** Name and namespace of the function. */
  function: string
  namespace: string
}

/**
 * `index` is the reply's place among the replies to one event. The reply's own attributes are completed in
 * place: it is nobody else's.
 */
export function completeReply(reply: WorkReply, index: number, origin: ReplyOrigin): Event {
  const cause = origin.cause.attributes
  const attributes = reply.attributes as Attributes
  // A reply that repeats its cause's identity would be taken for the cause itself.
  const repeats = attributes.id === cause.id && attributes.source === cause.source
  if (repeats || attributes.id === undefined) attributes.id = derivedId(cause, index, origin)
  attributes.specversion = '1.0'
  attributes.source ??= `/${origin.namespace}/functions/${origin.function}`
  attributes.time ??= now()
  attributes['causationid'] = cause.id
  attributes['correlationid'] = cause['correlationid'] ?? cause.id
  if (reply.data?.kind === 'json') attributes.datacontenttype ??= 'application/json'
  if (attributes['partitionkey'] === undefined && cause['partitionkey'] !== undefined) {
    attributes['partitionkey'] = cause['partitionkey']
  }
  return { attributes, data: reply.data }
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
