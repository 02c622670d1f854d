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

/** `index` is the reply's place among the replies to one event. */
export function completeReply(reply: WorkReply, index: number, origin: ReplyOrigin): Event {
  const cause = origin.cause.attributes
  const given = reply.attributes
  const source = given.source ?? `/${origin.namespace}/functions/${origin.function}`
  // A reply that repeats its cause's identity would be taken for the cause itself.
  const repeats = given.id === cause.id && given.source === cause.source
  const id = given.id === undefined || repeats ? derivedId(cause, index, origin) : given.id
  const attributes: Attributes = {
    ...given,
    specversion: '1.0',
    id,
    source,
    type: given.type as string,
    time: given.time ?? new Date().toISOString(),
    causationid: cause.id,
    correlationid: cause['correlationid'] ?? cause.id,
  }
  if (attributes.datacontenttype === undefined && reply.data?.kind === 'json') {
    attributes.datacontenttype = 'application/json'
  }
  if (attributes['partitionkey'] === undefined && cause['partitionkey'] !== undefined) {
    attributes['partitionkey'] = cause['partitionkey']
  }
  return { attributes, data: reply.data }
}

function derivedId(cause: Attributes, index: number, origin: ReplyOrigin): string {
  const identity = JSON.stringify([cause.source, cause.id, origin.function, origin.trigger, index])
  return hash('sha256', identity, 'hex').slice(0, 32)
}
