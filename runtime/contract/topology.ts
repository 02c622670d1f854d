/**
 * All that a runtime serves, whatever it was written in: the metadata of functions, Knative's YAML in
 * files, or resources of a cluster. It is plain data: it travels to the other processes of a deployment
 * as JSON.
 */
import type { DeliveryPolicy, TriggerManifest } from './manifest.ts'
import type { Destination, Subscriber } from './subscriber.ts'

export interface Topology {
  brokers: BrokerManifest[]
  /** Those of functions, those of YAML, and the steps of flows with a topic between steps. */
  triggers: TriggerManifest[]
  /** Flows that run within one process (`durable: ends`). */
  flows: FlowManifest[]
}

export interface BrokerManifest {
  /** `namespace/name`. */
  name: string
  topic: string
  /** Of its topic, when Millrace makes it; none: the deployment's own. */
  partitions?: number
  replicationFactor?: number
  /** Topic configuration in Kafka's own names. */
  config?: Record<string, string>
}

/** A Sequence, a Parallel, or an EventTransform with a sink, as steps that read channels. */
export interface FlowManifest {
  /** `namespace/name`. */
  name: string
  kind: 'Sequence' | 'Parallel' | 'EventTransform'
  /** The channel that takes the flow's events. */
  entry: string
  steps: FlowStep[]
}

/** One subscription of a flow's channel; several steps may read one channel. */
export interface FlowStep {
  namespace: string
  /** As Knative names the Subscription: `{flow}-kn-sequence-{i}`, `{flow}-kn-parallel-filter-{n}`. */
  name: string
  /** The channel it reads, named as its topic would be: `knative-messaging-kafka.{namespace}.{channel}`. */
  channel: string
  subscriber: Subscriber
  delivery: DeliveryPolicy
  reply: Destination
  /** None: the dead letters of the trigger that led here. */
  deadLetterSink?: Destination
}

export const EMPTY_TOPOLOGY: Topology = { brokers: [], triggers: [], flows: [] }
