/**
 * An AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0) of what a
 * project takes and gives: a channel for each broker, a message for each event type, a `receive` for each
 * trigger, and a `send` for what a function replies with.
 */
import type { Filter } from '../../runtime/contract/metadata.ts'
import { filtersInWords } from '../../runtime/filter/in-words.ts'
import { matchPartial, UNKNOWN } from '../../runtime/filter/partial.ts'
import { VERSION } from '../../runtime/version.ts'
import type { SchemaCatalog } from './catalog.ts'
import { placed } from './complete-schema.ts'
import { inDraft07 } from './draft-07.ts'
import { namedDocuments, type NamedDocument } from './type-names.ts'

export interface DocumentedTrigger {
  /** `namespace/name` */
  name: string
  /** `namespace/name` of the broker, and its topic. */
  broker: string
  topic: string
  group: string
  filters: readonly Filter[]
  /** What takes the events, in a word or two: `function order-validator`. */
  subscriber: string
  description?: string | undefined
}

export interface DocumentedReplies {
  function: string
  broker: string
  types: readonly string[]
}

export interface Documented {
  info: { title: string; version: string; description?: string | undefined }
  /** `host:port` of the ingress, and of Kafka's brokers if there are any. */
  ingress: string
  kafka: readonly string[]
  triggers: readonly DocumentedTrigger[]
  replies: readonly DocumentedReplies[]
  catalog: SchemaCatalog
}

type Json = Record<string, unknown>

/** Equal projects give equal documents. Throws `FN_SCHEMA_INVALID` for two schemas of one name. */
export function asyncApiDocument(documented: Documented): Json {
  const named = namedDocuments(documented.catalog)
  const messages = messageKeys(knownTypes(documented))
  return {
    asyncapi: '3.0.0',
    info: {
      ...documented.info,
      description: documented.info.description ?? `CloudEvents by Millrace ${VERSION}.`,
    },
    defaultContentType: 'application/json',
    servers: servers(documented),
    channels: channels(documented, messages),
    operations: { ...receives(documented, messages), ...sends(documented, messages) },
    components: {
      messages: Object.fromEntries([...messages].map(([type, key]) => [key, message(type, named)])),
      schemas: { ...schemas(named), cloudevent: ATTRIBUTES },
    },
  }
}

/** Of schemas, of `exact` filters, and of replies. */
function knownTypes({ catalog, triggers, replies }: Documented): string[] {
  const types = [
    ...catalog.types.map(({ type }) => type),
    ...triggers.flatMap(({ filters }) => filters.flatMap(exactTypes)),
    ...replies.flatMap((one) => one.types),
  ]
  return [...new Set(types)].toSorted()
}

function exactTypes(filter: Filter): string[] {
  if ('exact' in filter) return filter.exact['type'] === undefined ? [] : [filter.exact['type']]
  if ('all' in filter) return filter.all.flatMap(exactTypes)
  return 'any' in filter ? filter.any.flatMap(exactTypes) : []
}

/** Keys of components have few characters, types have any. */
function messageKeys(types: readonly string[]): Map<string, string> {
  const taken = new Set<string>()
  return new Map(
    types.map((type) => {
      const plain = type.replaceAll(/[^\w.-]/g, '_')
      let key = plain
      for (let number = 2; taken.has(key); number++) key = `${plain}-${number}`
      taken.add(key)
      return [type, key]
    }),
  )
}

function servers({ ingress, kafka }: Documented): Json {
  const brokers = kafka.map((host, index) => [
    `kafka-${index}`,
    {
      host,
      protocol: 'kafka',
      description: 'Records in the binary mode of CloudEvents: attributes are `ce_` headers.',
    },
  ])
  return {
    ingress: {
      host: ingress,
      protocol: 'http',
      description: 'POST takes one event in binary or structured mode, or a batch; 202: durable.',
    },
    ...Object.fromEntries(brokers),
  }
}

function channels(documented: Documented, messages: ReadonlyMap<string, string>): Json {
  const topics = new Map(documented.triggers.map(({ broker, topic }) => [broker, topic]))
  const all = [...topics].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(
    all.map(([broker, topic]) => {
      const types = new Set([
        ...documented.triggers
          .filter((trigger) => trigger.broker === broker)
          .flatMap(({ filters }) => typesFor(filters, [...messages.keys()])),
        ...documented.replies.filter((one) => one.broker === broker).flatMap((one) => one.types),
      ])
      const keys = [...types].map((type) => messages.get(type) ?? '').toSorted()
      return [
        keyOf(broker),
        {
          address: `/${broker}`,
          title: `Broker ${broker}`,
          description: `POST /${broker} at the ingress, the topic ${topic} in the log.`,
          messages: Object.fromEntries(
            keys.map((key) => [key, { $ref: `#/components/messages/${key}` }]),
          ),
          ...(documented.kafka.length === 0 ? {} : { bindings: { kafka: { topic } } }),
        },
      ]
    }),
  )
}

function receives({ triggers }: Documented, messages: ReadonlyMap<string, string>): Json {
  return Object.fromEntries(
    triggers.map((trigger) => {
      const types = typesFor(trigger.filters, [...messages.keys()])
      const where = filtersInWords(trigger.filters)
      const events = where === '' ? 'every event' : `events where ${where}`
      const takes = `${trigger.subscriber} takes ${events}.`
      return [
        `${keyOf(trigger.name)}.receive`,
        {
          action: 'receive',
          title: `Trigger ${trigger.name}`,
          ...(trigger.description === undefined ? {} : { summary: trigger.description }),
          description: takes.charAt(0).toUpperCase() + takes.slice(1),
          ...operationTarget(trigger.broker, types, messages),
          'x-millrace-trigger': trigger.name,
          'x-millrace-subscriber': trigger.subscriber,
          'x-millrace-group': trigger.group,
          'x-millrace-filters': trigger.filters,
        },
      ]
    }),
  )
}

function sends({ replies }: Documented, messages: ReadonlyMap<string, string>): Json {
  return Object.fromEntries(
    replies
      .filter(({ types }) => types.length > 0)
      .map((one) => [
        `${keyOf(one.broker)}.${one.function}.send`,
        {
          action: 'send',
          title: `Replies of ${one.function}`,
          description: 'As far as they stand in the source as literals.',
          ...operationTarget(one.broker, one.types, messages),
          'x-millrace-function': one.function,
        },
      ]),
  )
}

function operationTarget(
  broker: string,
  types: readonly string[],
  messages: ReadonlyMap<string, string>,
): Json {
  const channel = `#/channels/${keyOf(broker)}`
  const refs = types.map((type) => ({ $ref: `${channel}/messages/${messages.get(type)}` }))
  // Without a list, an operation is about every message of its channel.
  return { channel: { $ref: channel }, ...(refs.length === 0 ? {} : { messages: refs }) }
}

/** Those that the filters may let through. */
function typesFor(filters: readonly Filter[], types: readonly string[]): string[] {
  return types.filter((type) => {
    const attribute = (name: string): string | typeof UNKNOWN => (name === 'type' ? type : UNKNOWN)
    return matchPartial(filters, { attribute, data: 'unknown' }).matches !== 'no'
  })
}

function message(type: string, named: readonly NamedDocument[]): Json {
  const own = named.find((one) => one.type === type)
  const { title, description } = own?.document.schema ?? {}
  return {
    name: type,
    title: typeof title === 'string' ? title : type,
    ...(typeof description === 'string' ? { description } : {}),
    headers: {
      type: 'object',
      allOf: [
        { $ref: '#/components/schemas/cloudevent' },
        { properties: { 'ce-type': { const: type } } },
      ],
    },
    ...(own === undefined ? {} : { payload: { $ref: `#/components/schemas/${own.name}` } }),
  }
}

function schemas(named: readonly NamedDocument[]): Json {
  const nameOfFile = new Map(named.map(({ file, name }) => [file, name]))
  const placing = (file: string): string => `#/components/schemas/${nameOfFile.get(file)}`
  return Object.fromEntries(
    named.map(({ name, document }) => {
      const { $id: _, ...schema } = placed(document, `#/components/schemas/${name}`, placing)
      return [name, inDraft07(schema)]
    }),
  )
}

/** Slashes would have to be escaped in every `$ref`. */
function keyOf(name: string): string {
  return name.replaceAll('/', '.')
}

/** Core CloudEvents 1.0, in the binary mode of HTTP. */
const ATTRIBUTES: Json = {
  type: 'object',
  description:
    'The attributes of a CloudEvent. In Kafka records their names begin with `ce_` instead of `ce-`.',
  required: ['ce-specversion', 'ce-id', 'ce-source', 'ce-type'],
  properties: {
    'ce-specversion': { const: '1.0' },
    'ce-id': { type: 'string', minLength: 1, description: 'Unique together with the source.' },
    'ce-source': { type: 'string', minLength: 1, format: 'uri-reference' },
    'ce-type': { type: 'string', minLength: 1 },
    'ce-subject': { type: 'string', minLength: 1 },
    'ce-time': { type: 'string', format: 'date-time' },
    'ce-dataschema': { type: 'string', format: 'uri' },
    'ce-partitionkey': {
      type: 'string',
      minLength: 1,
      description: 'Events of one key are handled in order.',
    },
  },
}
