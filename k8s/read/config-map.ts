/** The ConfigMap of a Kafka broker (eventing-kafka-broker, `config-kafka-broker`). */
import { nearest } from '../../runtime/contract/nearest.ts'
import type { BrokerManifest } from '../../runtime/contract/topology.ts'
import { within, type At, type Compilation, type Known } from './compilation.ts'

const PARTITIONS = 'default.topic.partitions'
const REPLICATION_FACTOR = 'default.topic.replication.factor'
const TOPIC_CONFIG = 'default.topic.config.'

/** Said, because Millrace takes them from elsewhere. */
const CONFIGURED_ELSEWHERE: Readonly<Record<string, string>> = {
  'bootstrap.servers':
    'which Kafka Millrace uses is said by --brokers or MILLRACE_BROKERS; this is not read',
  'auth.secret.ref.name':
    'credentials for Kafka are not read from a Secret; a Kafka that asks for them cannot be used yet',
  'auth.secret.ref.namespace':
    'credentials for Kafka are not read from a Secret; a Kafka that asks for them cannot be used yet',
  'channel-template-spec': 'the broker is a topic of the log; channels are not made',
  channelTemplateSpec: 'the broker is a topic of the log; channels are not made',
}
const LIMITS = { [PARTITIONS]: 10_000, [REPLICATION_FACTOR]: 100 } as const

export function topicSettings(
  { resource, body }: Known,
  compilation: Compilation,
): Pick<BrokerManifest, 'partitions' | 'replicationFactor' | 'config'> {
  const data = (body['data'] ?? {}) as Record<string, string>
  const config: Record<string, string> = {}
  const numbers: Partial<Record<string, number>> = {}
  for (const [key, value] of Object.entries(data)) {
    const at: At = within({ resource, path: ['data'] }, key)
    if (key === PARTITIONS || key === REPLICATION_FACTOR) {
      numbers[key] = wholeNumber(value, LIMITS[key], compilation, at)
    } else if (key.startsWith(TOPIC_CONFIG) && key.length > TOPIC_CONFIG.length) {
      config[key.slice(TOPIC_CONFIG.length)] = value
    } else {
      sayOther(key, compilation, at)
    }
  }
  const partitions = numbers[PARTITIONS]
  const replicationFactor = numbers[REPLICATION_FACTOR]
  return {
    ...(partitions === undefined ? {} : { partitions }),
    ...(replicationFactor === undefined ? {} : { replicationFactor }),
    ...(Object.keys(config).length === 0 ? {} : { config }),
  }
}

function wholeNumber(
  value: string,
  max: number,
  compilation: Compilation,
  at: At,
): number | undefined {
  const number = Number(value)
  if (/^\d+$/.test(value) && number >= 1 && number <= max) return number
  compilation.error(at, `must be a whole number from 1 to ${max}, but is ${JSON.stringify(value)}`)
  return undefined
}

function sayOther(key: string, compilation: Compilation, at: At): void {
  const elsewhere = Object.hasOwn(CONFIGURED_ELSEWHERE, key) ? CONFIGURED_ELSEWHERE[key] : undefined
  if (elsewhere !== undefined) return compilation.note(at, elsewhere)
  const known = [PARTITIONS, REPLICATION_FACTOR, ...Object.keys(CONFIGURED_ELSEWHERE)]
  const guess = nearest(key, known)
  if (guess === undefined) return compilation.note(at, 'is no setting of a broker; it is not used')
  return compilation.error(at, `is not known; did you mean "${guess}"?`)
}
