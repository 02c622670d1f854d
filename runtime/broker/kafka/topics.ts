import { createTopicsV7 } from '@platformatic/kafka'
import type { TopicInfo, TopicOptions } from '../../contract/broker.ts'
import { MillraceError } from '../../errors.ts'
import type { Cluster } from './cluster.ts'
import { CODE, codeName, isTransient } from './protocol-codes.ts'
import { Transient, persist } from './transient.ts'

const CREATE_TIMEOUT_MS = 9_000
/** The broker's own default. */
const BROKER_DEFAULT = -1

export interface TopicsOptions {
  partitions?: number
  replicationFactor?: number
  closing: AbortSignal
}

export class Topics {
  readonly #cluster: Cluster
  readonly #options: TopicsOptions

  constructor(cluster: Cluster, options: TopicsOptions) {
    this.#cluster = cluster
    this.#options = options
  }

  async ensure(topic: string, options: TopicOptions = {}): Promise<TopicInfo> {
    const { closing } = this.#options
    const existing = await persist(() => this.#ready(topic), { closing })
    if (existing) return existing
    await persist(() => this.#create(topic, options), { closing })
    // Brokers hear of a new topic one after another, and of its leaders later still.
    return persist(
      async () => {
        const made = await this.#ready(topic)
        if (!made) throw new Transient(`The topic ${topic} was made and is not there yet`)
        return made
      },
      { closing },
    )
  }

  async list(names?: readonly string[]): Promise<TopicInfo[]> {
    const described = await persist(() => this.#cluster.describe(names ?? null), {
      closing: this.#options.closing,
    })
    return described
      .filter(({ internal }) => names !== undefined || !internal)
      .map(({ topic, partitions }) => ({ topic, partitions }))
  }

  /** Undefined when there is no such topic; waits while it has no leaders. */
  async #ready(topic: string): Promise<TopicInfo | undefined> {
    const [found] = await this.#cluster.describe([topic])
    if (found && !found.ready) throw new Transient(`The topic ${topic} has no leaders yet`)
    return found && { topic, partitions: found.partitions }
  }

  async #create(topic: string, options: TopicOptions): Promise<void> {
    const numPartitions = options.partitions ?? this.#options.partitions ?? BROKER_DEFAULT
    const replicationFactor =
      options.replicationFactor ?? this.#options.replicationFactor ?? BROKER_DEFAULT
    const configs = Object.entries(options.config ?? {}).map(([name, value]) => ({ name, value }))
    const asked = { name: topic, numPartitions, replicationFactor, assignments: [], configs }
    const answer = await this.#cluster.askController(
      createTopicsV7.api,
      [asked],
      CREATE_TIMEOUT_MS,
      false,
    )
    const { errorCode, errorMessage } = answer.topics[0] ?? { errorCode: -1, errorMessage: null }
    if (errorCode === CODE.none || errorCode === CODE.topicAlreadyExists) return
    if (isTransient(errorCode)) {
      throw new Transient(`Kafka does not make the topic ${topic}: ${codeName(errorCode)}`)
    }
    throw new MillraceError(
      errorCode === CODE.invalidTopic ? 'FN_NAME_INVALID' : 'FN_BROKER_REFUSED',
      `Kafka refused to make the topic ${topic}: ${codeName(errorCode)}${errorMessage ? `: ${errorMessage}` : ''}`,
      { detail: { kafkaCode: errorCode } },
    )
  }
}
