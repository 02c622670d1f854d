/** What `createEmbeddedBroker` takes, with its defaults, and what topics may be called and set to. */
import type { TopicOptions } from '../../contract/broker.ts'
import { MillraceError } from '../../errors.ts'

const MAX_TOPIC_NAME_LENGTH = 249
const TOPIC_NAME = /^[a-zA-Z0-9._-]+$/
const MAX_PARTITIONS = 10_000
const CLEANUP_POLICIES = new Set(['delete', 'compact'])

export const DEFAULT_PARTITIONS = 4

export const DEFAULT_RETENTION = {
  /** Kafka's own default: a week. */
  retentionMs: 604_800_000,
  retentionBytes: -1,
  checkEveryMs: 60_000,
} as const

/** The part of a logger that the embedded log needs. */
export interface EmbeddedLogger {
  warn(detail: object, message: string): void
}

export interface RetentionOptions {
  /** How long topics keep records that do not set `retention.ms`; -1 for ever. Default: a week. */
  retentionMs?: number
  /** Bytes a partition keeps where its topic does not set `retention.bytes`; -1 any. Default -1. */
  retentionBytes?: number
  /** How often old records are looked for, in milliseconds. Default 60,000. */
  checkEveryMs?: number
}

export interface EmbeddedBrokerOptions {
  /** The directory of the log; made if it is not there. */
  dir: string
  /** Partitions of a new topic that does not say. Default 4. */
  partitions?: number
  retention?: RetentionOptions
  /** Default: nothing is logged. */
  log?: EmbeddedLogger
}

/** Throws `FN_NAME_INVALID`. The rule is Kafka's, so that topics can move there. */
export function checkTopicName(topic: string): void {
  if (TOPIC_NAME.test(topic) && topic.length <= MAX_TOPIC_NAME_LENGTH) return
  throw new MillraceError(
    'FN_NAME_INVALID',
    `"${topic}" cannot be a topic: use 1 to ${MAX_TOPIC_NAME_LENGTH} of a-z, A-Z, 0-9, ".", "_" and "-"`,
  )
}

/** Throws `FN_CONFIG_INVALID` for a setting that the log would have to guess about. */
export function checkTopicOptions(topic: string, partitions: number, options: TopicOptions): void {
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MAX_PARTITIONS) {
    throw invalid(topic, 'partitions', String(partitions), `1 to ${MAX_PARTITIONS}`)
  }
  const { config = {} } = options
  for (const key of ['retention.ms', 'retention.bytes']) {
    const text = config[key]
    if (text !== undefined && !/^(-1|\d+)$/.test(text)) {
      throw invalid(topic, key, text, 'a whole number, or -1 for no limit')
    }
  }
  const policy = config['cleanup.policy']
  if (policy !== undefined && !policy.split(',').every((one) => CLEANUP_POLICIES.has(one.trim()))) {
    throw invalid(topic, 'cleanup.policy', policy, '"delete", "compact" or "compact,delete"')
  }
}

function invalid(topic: string, key: string, value: string, expected: string): MillraceError {
  return new MillraceError(
    'FN_CONFIG_INVALID',
    `Topic ${topic}: ${key} is "${value}", expected ${expected}`,
  )
}
