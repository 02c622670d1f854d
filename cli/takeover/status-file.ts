/**
 * What `kubectl get broker,trigger -A -o yaml` says of consumer groups and topics. Knative writes both into
 * status annotations, and only these count: its naming has changed over time and can be configured.
 */
import { parseAllDocuments } from 'yaml'
import { MillraceError } from '../../runtime/errors.ts'

/** A trigger as Knative runs it. */
export interface KnativeTrigger {
  /** `namespace/name`. */
  name: string
  group: string
  topic: string
}

export interface StatusFile {
  triggers: KnativeTrigger[]
  /** Triggers that are not Kafka's, with the reason. */
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
  spec?: { broker?: string; brokerRef?: { name?: string; namespace?: string } }
  status?: { annotations?: Record<string, string> }
  items?: Resource[]
}

/** eventing-kafka-broker: `control-plane/pkg/kafka/{consumer_group,topic}.go`. */
const GROUP = 'group.id'
const TOPIC = 'default.topic'
const EXTERNAL_TOPIC = 'kafka.eventing.knative.dev/external.topic'
const BROKER_CLASS = 'eventing.knative.dev/broker.class'
const KAFKA_CLASSES = new Set(['Kafka', 'KafkaNamespaced'])

/** Throws `FN_CLI_USAGE` for what is no such file, or lacks what a takeover rests on. */
export function readStatusFile(text: string, file: string): StatusFile {
  const resources = resourcesOf(text, file)
  const brokers = new Map<string, Resource>()
  for (const one of resources) if (isOf(one, 'Broker')) brokers.set(nameOf(one, file), one)
  const found: StatusFile = { triggers: [], skipped: [] }
  for (const trigger of resources.filter((one) => isOf(one, 'Trigger'))) {
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
  if (found.triggers.length + found.skipped.length > 0) return found
  throw incomplete(file, 'it holds no Trigger')
}

function resourcesOf(text: string, file: string): Resource[] {
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

function isOf({ kind, apiVersion = '' }: Resource, wanted: string): boolean {
  return kind === wanted && apiVersion.startsWith('eventing.knative.dev/')
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
    `${file} does not say enough: ${what}. Make it with: kubectl get broker,trigger -A -o yaml`,
  )
}
