/** What an HTTP subscriber is sent: HTTP binding 1.0, and what Knative's Kafka broker adds. */
import { encodeHttpBinary, encodeHttpStructured, type HttpMessage } from '../../codec/http.ts'
import { contentModeOf } from '../../codec/media-type.ts'
import type { Event } from '../../contract/event.ts'
import type { WorkItem } from '../../contract/work.ts'

/** Knative's `DeliverySpec.format`. */
export type DeliveryFormat = 'binary' | 'json'

export function requestOf(item: WorkItem, format: DeliveryFormat): HttpMessage {
  const event = placed(item)
  const message = isSentAsJson(event, format)
    ? encodeHttpStructured(event)
    : encodeHttpBinary(event)
  message.headers['prefer'] = 'reply'
  const slash = item.trigger.indexOf('/')
  if (slash > 0) message.headers['kn-namespace'] = item.trigger.slice(0, slash)
  return message
}

/** Both as text, which is what binary mode makes of them; an offset is beyond CloudEvents' Integer. */
function placed({ event, at }: WorkItem): Event {
  if (at === undefined) return event
  const attributes = {
    ...event.attributes,
    knativekafkapartition: String(at.partition),
    knativekafkaoffset: String(at.offset),
  }
  return { attributes, data: event.data }
}

/**
 * The content type of the data is that of a binary message, and would say that the body is a whole event
 * where the data is one itself.
 */
function isSentAsJson({ attributes }: Event, format: DeliveryFormat): boolean {
  return format === 'json' || contentModeOf(attributes.datacontenttype) !== 'binary'
}
