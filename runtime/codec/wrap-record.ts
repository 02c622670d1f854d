/**
 * A record that is no CloudEvent as one, the way a Knative KafkaSource wraps plain records
 * (eventing-kafka-broker, `CloudEventDeserializer`): type, id, subject and extensions are its; the source
 * names the topic.
 */
import { isUtf8 } from 'node:buffer'
import type { LogRecord, TopicPartition } from '../contract/broker.ts'
import type { Attributes, Event } from '../contract/event.ts'
import { eventData } from './event-data.ts'
import { contentModeOf } from './media-type.ts'

const TYPE = 'dev.knative.kafka.event'
/** CloudEvents 1.0, "Type System": what a String must not hold. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u

/** `source`: the KafkaSource in whose name it is done; none: the topic's. */
export function wrapRecord(
  record: LogRecord,
  { topic, partition }: TopicPartition,
  source?: { namespace: string; name: string },
): Event {
  const { offset, key, value, headers, timestamp } = record
  const attributes: Attributes = {
    specversion: '1.0',
    id: `partition:${partition}/offset:${offset}`,
    source:
      source === undefined
        ? `/topics/${topic}`
        : `/apis/v1/namespaces/${source.namespace}/kafkasources/${source.name}#${topic}`,
    type: TYPE,
    subject: `partition:${partition}#${offset}`,
    time: new Date(timestamp).toISOString(),
  }
  if (key !== null && key.length > 0) {
    attributes['key'] = attributes['partitionkey'] = attributeText(key)
  }
  for (const [name, bytes] of headers) {
    if (bytes === null) continue
    if (name.toString() === 'content-type' && isPlain(bytes)) {
      attributes.datacontenttype = bytes.toString()
      continue
    }
    const extension = name
      .toString()
      .toLowerCase()
      .replaceAll(/[^a-z0-9]/g, '')
    attributes[`kafkaheader${extension}`] = attributeText(bytes)
  }
  if (value === null) return { attributes, data: undefined }
  return { attributes, data: eventData(attributes.datacontenttype, value) }
}

/** A media type that an event's data may have; a broken event of an event format is only bytes. */
function isPlain(contentType: Buffer): boolean {
  const text = attributeText(contentType)
  return text !== '' && text === contentType.toString() && contentModeOf(text) === 'binary'
}

/** Base64 where the bytes are no text that an attribute may hold. */
function attributeText(bytes: Buffer): string {
  if (!isUtf8(bytes)) return bytes.toString('base64')
  const text = bytes.toString()
  return FORBIDDEN.test(text) ? bytes.toString('base64') : text
}
