/**
 * Topic and group names, as Knative's Kafka broker computes them
 * (eventing-kafka-broker, `100-config-kafka-features.yaml`), and the names of our own topics.
 */
import { MillraceError } from '../errors.ts'

/** Kafka refuses longer topic names. */
const MAX_NAME_LENGTH = 249
/** RFC 1123 label, which Kubernetes demands of names and namespaces; dots are allowed in names. */
const OBJECT_NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/

const CHANNEL_PREFIX = 'knative-messaging-kafka.'

export interface ObjectName {
  namespace: string
  name: string
}

/** Reads `namespace/name`. Throws `FN_NAME_INVALID` saying what was expected. */
export function parseObjectName(text: string, what: string): ObjectName {
  const [namespace, name, ...rest] = text.split('/')
  if (!namespace || !name || rest.length > 0) {
    throw new MillraceError(
      'FN_NAME_INVALID',
      `${what} "${text}" is not of the form namespace/name, for example events/kafka-broker`,
    )
  }
  for (const part of [namespace, name]) {
    if (!OBJECT_NAME.test(part)) {
      throw new MillraceError(
        'FN_NAME_INVALID',
        `${what} "${text}": "${part}" may hold only a-z, 0-9, "-" and ".", and starts and ends with a letter or digit`,
      )
    }
  }
  return { namespace, name }
}

export function brokerTopic(broker: ObjectName): string {
  return checked(`knative-broker-${broker.namespace}-${broker.name}`, broker)
}

export function triggerGroup(trigger: ObjectName): string {
  return checked(`knative-trigger-${trigger.namespace}-${trigger.name}`, trigger)
}

/** A channel's topic; also how channels within one process are called. */
export function channelTopic(channel: ObjectName): string {
  return checked(`${CHANNEL_PREFIX}${channel.namespace}.${channel.name}`, channel)
}

export function isChannelTopic(topic: string): boolean {
  return topic.startsWith(CHANNEL_PREFIX)
}

/** `id` is the UID of the Subscription in a cluster, or its name where it has none. */
export function subscriptionGroup(channel: ObjectName, id: string): string {
  return checked(`kafka.${channel.namespace}.${channel.name}.${id}`, channel)
}

/** The group whose membership decides which process owns which partition of a deployment. */
export function membershipGroup(app: ObjectName): string {
  return checked(`millrace-${app.namespace}-${app.name}`, app)
}

/** `prefix`: of the trigger, see `topicPrefixOf`; its group, for nearly all. */
export function deadLetterTopic(prefix: string): string {
  return `${prefix}.dlq`
}

/** Remembers what became of dead letters: replayed, discarded, edited. Compacted, keyed by `ref`. */
export function deadLetterStateTopic(prefix: string): string {
  return `${prefix}.dlq.state`
}

/** Replayed dead letters, for the one trigger that has this prefix. */
export function retryTopic(prefix: string): string {
  return `${prefix}.retry`
}

/** What a deployment's processes have to agree on, such as paused triggers. Compacted. */
export function controlTopic(membershipGroup: string): string {
  return `${membershipGroup}.control`
}

/** The configurations of the deployments in a namespace. Compacted, keyed by the deployment's name. */
export function configTopic(namespace: string): string {
  return `millrace-config-${namespace}`
}

export function isDeadLetterTopic(topic: string): boolean {
  return topic.endsWith('.dlq')
}

export function isQuarantineTopic(topic: string): boolean {
  return topic.endsWith('.quarantine')
}

export function quarantineTopic(topic: string): string {
  return `${topic}.quarantine`
}

function checked(name: string, of: ObjectName): string {
  // Room for the longest suffix that we add ourselves.
  if (name.length + '.quarantine'.length > MAX_NAME_LENGTH) {
    throw new MillraceError(
      'FN_NAME_INVALID',
      `${of.namespace}/${of.name} gives the name ${name}, which is longer than Kafka's ${MAX_NAME_LENGTH} characters; use a shorter name`,
    )
  }
  return name
}
