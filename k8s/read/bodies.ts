/** The resources' own fields: as types for whoever compiles them, and as shapes for the check. */
import { parseDuration } from '../../runtime/contract/duration.ts'
import type { Filter } from '../../runtime/contract/metadata.ts'
import { isMillraceError } from '../../runtime/errors.ts'
import { jsonataProblem } from '../../runtime/isolate/jsonata-syntax.ts'
import type { CompiledKind } from './kinds.ts'
import {
  anything,
  both,
  fields,
  flag,
  list,
  map,
  name,
  oneOf,
  text,
  whole,
  type Path,
  type Problem,
  type Shape,
} from './shape.ts'

/** Knative's `KReference`. */
export interface Ref {
  kind: string
  name: string
  apiVersion?: string
  group?: string
  namespace?: string
  address?: string
}

/** Knative's `Destination`. */
export interface DestinationSpec {
  ref?: Ref
  uri?: string
  CACerts?: string
  audience?: string
}

/** Knative's `DeliverySpec`. */
export interface DeliverySpec {
  retry?: number
  backoffPolicy?: 'linear' | 'exponential'
  backoffDelay?: string
  timeout?: string
  retryAfterMax?: string
  deadLetterSink?: DestinationSpec
  format?: string
}

export interface BrokerSpec {
  config?: Ref
  delivery?: DeliverySpec
}

export interface TriggerSpec {
  broker?: string
  brokerRef?: Ref
  filter?: { attributes?: Record<string, string> }
  filters?: Filter[]
  subscriber: DestinationSpec
  delivery?: DeliverySpec
}

export interface ChannelTemplate {
  apiVersion: string
  kind: string
  spec?: { numPartitions?: number; replicationFactor?: number; retentionDuration?: string }
}

export interface StepSpec extends DestinationSpec {
  delivery?: DeliverySpec
}

export interface SequenceSpec {
  steps: StepSpec[]
  channelTemplate?: ChannelTemplate
  reply?: DestinationSpec
}

export interface BranchSpec {
  filter?: DestinationSpec
  subscriber: DestinationSpec
  reply?: DestinationSpec
  delivery?: DeliverySpec
}

export interface ParallelSpec {
  branches: BranchSpec[]
  channelTemplate?: ChannelTemplate
  reply?: DestinationSpec
}

export interface ChannelSpec {
  numPartitions?: number
  replicationFactor?: number
  retentionDuration?: string
  channelTemplate?: ChannelTemplate
  delivery?: DeliverySpec
}

export interface SubscriptionSpec {
  channel: Ref
  subscriber?: DestinationSpec
  reply?: DestinationSpec
  delivery?: DeliverySpec
}

export interface EventTransformSpec {
  jsonata: { expression: string }
  sink?: DestinationSpec
  reply?: { jsonata?: { expression: string }; discard?: boolean }
}

export interface KafkaSourceSpec {
  bootstrapServers?: string[]
  topics: string[]
  consumerGroup?: string
  initialOffset?: string
  ordering?: string
  consumers?: number
  net?: Record<string, unknown>
  delivery?: DeliverySpec
  sink: DestinationSpec
  ceOverrides?: { extensions?: Record<string, string> }
}

/** Node fires a longer timer at once. */
const MAX_DURATION_MS = 2 ** 31 - 1

function duration(leastMs: number): Shape {
  return text((value) => {
    try {
      const ms = parseDuration(value)
      if (ms < leastMs) return `${JSON.stringify(value)} is too short: at least PT0.001S`
      if (ms > MAX_DURATION_MS) return `${JSON.stringify(value)} is too long: at most 24 days, P24D`
      return undefined
    } catch (error) {
      if (!isMillraceError(error)) throw error
      return error.message
    }
  })
}

const REF = fields(
  { kind: name, name, apiVersion: name, group: name, namespace: name, address: name },
  ['kind', 'name'],
)
const DESTINATION_FIELDS = { ref: REF, uri: name, CACerts: name, audience: name }
const DESTINATION = fields(DESTINATION_FIELDS)
const DELIVERY = fields({
  retry: whole(0),
  backoffPolicy: oneOf(['linear', 'exponential']),
  backoffDelay: duration(0),
  timeout: duration(1),
  retryAfterMax: duration(0),
  deadLetterSink: DESTINATION,
  // Knative's webhook compares it in lower case.
  format: oneOf(['json', 'binary'], { ignoreCase: true }),
})
const CHANNEL_FIELDS = {
  numPartitions: whole(1),
  replicationFactor: whole(1, 32_767),
  retentionDuration: duration(1),
}
const CHANNEL_TEMPLATE = fields(
  { apiVersion: name, kind: name, spec: fields({ ...CHANNEL_FIELDS, delivery: DELIVERY }) },
  ['apiVersion', 'kind'],
)
const FLOW_FIELDS = { channelTemplate: CHANNEL_TEMPLATE, reply: DESTINATION }
const JSONATA = fields({ expression: both(name, text(jsonataProblem)) }, ['expression'])

/** What the filters' own check says, is not said again here. */
const FILTERS = list(anything)

/** Written by controllers into the specs of channels. */
const CONTROLLER_FIELDS = { subscribers: anything }

const SPECS: Partial<Record<CompiledKind, Shape>> = {
  Broker: fields({ config: REF, delivery: DELIVERY }),
  Trigger: fields(
    {
      broker: name,
      brokerRef: REF,
      filter: fields({ attributes: map(text()) }),
      filters: FILTERS,
      subscriber: DESTINATION,
      delivery: DELIVERY,
    },
    ['subscriber'],
  ),
  Sequence: fields(
    {
      ...FLOW_FIELDS,
      steps: list(fields({ ...DESTINATION_FIELDS, delivery: DELIVERY }), { min: 1 }),
    },
    ['steps'],
  ),
  Parallel: fields(
    {
      ...FLOW_FIELDS,
      branches: list(
        fields(
          {
            filter: DESTINATION,
            subscriber: DESTINATION,
            reply: DESTINATION,
            delivery: DELIVERY,
          },
          ['subscriber'],
        ),
        { min: 1 },
      ),
    },
    ['branches'],
  ),
  Subscription: fields(
    { channel: REF, subscriber: DESTINATION, reply: DESTINATION, delivery: DELIVERY },
    ['channel'],
  ),
  Channel: fields({ channelTemplate: CHANNEL_TEMPLATE, delivery: DELIVERY, ...CONTROLLER_FIELDS }),
  InMemoryChannel: fields({ delivery: DELIVERY, ...CONTROLLER_FIELDS }),
  KafkaChannel: fields({ ...CHANNEL_FIELDS, delivery: DELIVERY, ...CONTROLLER_FIELDS }),
  EventTransform: fields(
    { jsonata: JSONATA, sink: DESTINATION, reply: fields({ jsonata: JSONATA, discard: flag }) },
    ['jsonata'],
  ),
  KafkaSource: fields(
    {
      bootstrapServers: list(name),
      topics: list(name, { min: 1 }),
      consumerGroup: name,
      initialOffset: oneOf(['latest', 'earliest']),
      ordering: oneOf(['ordered', 'unordered'], { ignoreCase: true }),
      consumers: whole(0),
      net: anything,
      delivery: DELIVERY,
      sink: DESTINATION,
      ceOverrides: fields({ extensions: map(text()) }),
    },
    ['topics', 'sink'],
  ),
  KafkaSink: fields(
    {
      topic: name,
      numPartitions: whole(1),
      replicationFactor: whole(1, 32_767),
      bootstrapServers: list(name),
      contentMode: oneOf(['binary', 'structured']),
      auth: anything,
    },
    ['topic'],
  ),
}

/** Kinds whose spec may be left out. */
const SPEC_OPTIONAL: ReadonlySet<CompiledKind> = new Set([
  'Broker',
  'Channel',
  'InMemoryChannel',
  'KafkaChannel',
])

const METADATA: Shape = (value, path) => {
  const { name: own, namespace, annotations, labels } = value as Record<string, unknown>
  return fields({
    name,
    namespace: name,
    annotations: map(text()),
    labels: map(text()),
  })(
    Object.fromEntries(
      Object.entries({ name: own, namespace, annotations, labels }).filter(
        ([, one]) => one !== undefined,
      ),
    ),
    path,
  )
}

const HEAD = { apiVersion: name, kind: name, metadata: METADATA }

/** Everything that is wrong with a resource by itself. */
export function bodyProblems(kind: CompiledKind, body: Record<string, unknown>): Problem[] {
  const path: Path = []
  switch (kind) {
    case 'Service':
    case 'KnativeService':
      // Somebody else's to check: only names and ports are read.
      return fields({ ...HEAD, spec: anything, status: anything })(body, path)
    case 'ConfigMap':
      return fields({ ...HEAD, data: map(text()), binaryData: anything, immutable: flag })(
        body,
        path,
      )
    default: {
      const shape = fields(
        { ...HEAD, spec: SPECS[kind] ?? anything, status: anything },
        SPEC_OPTIONAL.has(kind) ? [] : ['spec'],
      )
      return shape(body, path)
    }
  }
}
