/**
 * What `kubectl get broker,trigger,kafkachannel,subscription -A -o yaml` says of consumer groups and topics.
 * Knative writes topics and the groups of triggers into status annotations, and only these count: its naming
 * has changed over time and can be configured. The group of a Subscription is nowhere but in its UID.
 */
import { subscriptionGroup, type ObjectName } from '../../runtime/broker/names.ts'
import { MillraceError } from '../../runtime/errors.ts'

/** A trigger as Knative runs it, or a Subscription of a KafkaChannel. */
export interface KnativeTrigger {
  /** `namespace/name`. */
  name: string
  group: string
  topic: string
  /** Of a Subscription. */
  channel?: ObjectName
}

export interface StatusFile {
  triggers: KnativeTrigger[]
  /** Those that are not Kafka's, with the reason. */
  skipped: string[]
}

interface Resource {
  kind?: string
  apiVersion?: string
  metadata?: {
    namespace?: string
    name?: string
    uid?: string
    annotations?: Record<string, string>
  }
  spec?: {
    broker?: string
    brokerRef?: { name?: string; namespace?: string }
    channel?: { kind?: string; name?: string }
  }
  status?: { annotations?: Record<string, string> }
  items?: Resource[]
}

const EVENTING = 'eventing.knative.dev/'
const MESSAGING = 'messaging.knative.dev/'
/** eventing-kafka-broker: `control-plane/pkg/kafka/{consumer_group,topic}.go`. */
const GROUP = 'group.id'
const TOPIC = 'default.topic'
const EXTERNAL_TOPIC = 'kafka.eventing.knative.dev/external.topic'
const BROKER_CLASS = 'eventing.knative.dev/broker.class'
/** What prints such a file. */
export const HOW_TO_GET = 'kubectl get broker,trigger,kafkachannel,subscription -A -o yaml'
const KAFKA_CLASSES = new Set(['Kafka', 'KafkaNamespaced'])

/** Throws `FN_CLI_USAGE` for what is no such file, or lacks what a takeover rests on. */
export async function readStatusFile(text: string, file: string): Promise<StatusFile> {
  const resources = await resourcesOf(text, file)
  const found: StatusFile = { triggers: [], skipped: [] }
  readTriggers(resources, file, found)
  readSubscriptions(resources, file, found)
  if (found.triggers.length + found.skipped.length > 0) return found
  throw incomplete(file, 'it holds no Trigger and no Subscription')
}

function readTriggers(resources: readonly Resource[], file: string, found: StatusFile): void {
  const brokers = named(resources, EVENTING, 'Broker', file)
  for (const trigger of resources.filter((one) => isOf(one, EVENTING, 'Trigger'))) {
    const name = nameOf(trigger, file)
    const brokerName = brokerOf(trigger)
    const broker = brokers.get(brokerName)
    if (broker === undefined) {
      throw incomplete(file, `trigger ${name} is of broker ${brokerName}, which is not in it`)
    }
    const brokerClass = broker.metadata?.annotations?.[BROKER_CLASS]
    if (brokerClass !== undefined && !KAFKA_CLASSES.has(brokerClass)) {
      found.skipped.push(`${name}: broker ${brokerName} is of class ${brokerClass}, not Kafka`)
      continue
    }
    found.triggers.push({
      name,
      group: groupOf(trigger, name, file),
      topic: topicOf(broker, brokerName, file),
    })
  }
}

/** Those of flows are among them: Knative makes one for each step. */
function readSubscriptions(resources: readonly Resource[], file: string, found: StatusFile): void {
  const channels = named(resources, MESSAGING, 'KafkaChannel', file)
  for (const subscription of resources.filter((one) => isOf(one, MESSAGING, 'Subscription'))) {
    const name = nameOf(subscription, file)
    const { namespace = '', uid } = subscription.metadata ?? {}
    const { kind = 'Channel', name: channelName = '' } = subscription.spec?.channel ?? {}
    const channel = { namespace, name: channelName }
    // What backs a Channel has its name.
    const backing = channels.get(`${namespace}/${channelName}`)
    const topic = backing?.status?.annotations?.[TOPIC]
    if (backing === undefined && kind !== 'KafkaChannel') {
      found.skipped.push(`${name}: no KafkaChannel ${namespace}/${channelName} backs its ${kind}`)
    } else if (backing === undefined) {
      const what = `subscription ${name} is of KafkaChannel ${namespace}/${channelName}`
      throw incomplete(file, `${what}, which is not in it`)
    } else if (topic === undefined) {
      const what = `KafkaChannel ${namespace}/${channelName}`
      throw incomplete(file, `${what} has no status.annotations["${TOPIC}"]`)
    } else if (!uid) {
      throw incomplete(file, `subscription ${name} has no uid`)
    } else {
      // eventing-kafka-broker: `control-plane/pkg/reconciler/channel/v2/channelv2.go`, consumerGroup.
      found.triggers.push({ name, group: subscriptionGroup(channel, uid), topic, channel })
    }
  }
}

function named(
  resources: readonly Resource[],
  api: string,
  kind: string,
  file: string,
): Map<string, Resource> {
  const own = resources.filter((one) => isOf(one, api, kind))
  return new Map(own.map((one) => [nameOf(one, file), one]))
}

async function resourcesOf(text: string, file: string): Promise<Resource[]> {
  // Only here, since every command loads this file.
  const { parseAllDocuments } = await import('yaml')
  const documents = parseAllDocuments(text)
  // An empty text has no documents, and then `parseAllDocuments` gives no array of its own kind.
  const resources = [...documents].flatMap((document) => {
    const [error] = document.errors
    if (error !== undefined) {
      throw new MillraceError('FN_CLI_USAGE', `${file} is no YAML or JSON: ${error.message}`)
    }
    const resource = document.toJS() as Resource | null
    return resource === null ? [] : (resource.items ?? [resource])
  })
  return resources.filter((one) => typeof one === 'object' && one !== null)
}

function isOf({ kind, apiVersion = '' }: Resource, api: string, wanted: string): boolean {
  return kind === wanted && apiVersion.startsWith(api)
}

function nameOf({ kind, metadata }: Resource, file: string): string {
  if (!metadata?.namespace || !metadata.name) {
    throw incomplete(file, `a ${kind} in it has no namespace or no name`)
  }
  return `${metadata.namespace}/${metadata.name}`
}

function brokerOf({ metadata, spec }: Resource): string {
  const namespace = spec?.brokerRef?.namespace ?? metadata?.namespace
  return `${namespace}/${spec?.brokerRef?.name ?? spec?.broker ?? 'default'}`
}

/** Installations from before the annotation named the group after the trigger's UID. */
function groupOf({ metadata, status }: Resource, name: string, file: string): string {
  const group = status?.annotations?.[GROUP] ?? metadata?.uid
  if (group) return group
  throw incomplete(file, `trigger ${name} has neither status.annotations["${GROUP}"] nor a uid`)
}

function topicOf({ metadata, status }: Resource, name: string, file: string): string {
  const topic = status?.annotations?.[TOPIC] ?? metadata?.annotations?.[EXTERNAL_TOPIC]
  if (topic) return topic
  throw incomplete(
    file,
    `broker ${name} has neither status.annotations["${TOPIC}"] nor the annotation ${EXTERNAL_TOPIC}`,
  )
}

function incomplete(file: string, what: string): MillraceError {
  return new MillraceError(
    'FN_CLI_USAGE',
    `${file} does not say enough: ${what}. Make it with: ${HOW_TO_GET}`,
  )
}
