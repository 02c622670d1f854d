/**
 * Makes topics when the first record goes to them: a thousand triggers must not make a thousand
 * dead-letter topics that nobody ever needs.
 */
import type { AppendRecord, AppendResult, Broker, TopicOptions } from '../contract/broker.ts'
import { isDeadLetterTopic, isQuarantineTopic } from './names.ts'

export class LazyTopics {
  readonly #broker: Pick<Broker, 'append' | 'ensureTopic'>
  readonly #ready = new Set<string>()
  readonly #making = new Map<string, Promise<void>>()

  readonly #optionsOf: (topic: string) => TopicOptions

  /** `optionsOf`: how a topic is made; by default as the broker makes them. */
  constructor(
    broker: Pick<Broker, 'append' | 'ensureTopic'>,
    optionsOf: (topic: string) => TopicOptions = () => ({}),
  ) {
    this.#broker = broker
    this.#optionsOf = optionsOf
  }

  /** Rejects when the topic cannot be made; the next call tries again. */
  ensure(topic: string): Promise<void> {
    if (this.#ready.has(topic)) return Promise.resolve()
    const making = this.#making.get(topic) ?? this.#make(topic)
    this.#making.set(topic, making)
    return making
  }

  /** As `ensure`, for all topics that the records go to. */
  async ensureFor(records: readonly AppendRecord[]): Promise<void> {
    for (const topic of this.#missing(records)) await this.ensure(topic)
  }

  /** As `Broker.append`; a topic that cannot be made fails its records only. */
  async append(records: readonly AppendRecord[]): Promise<AppendResult[]> {
    const missing = this.#missing(records)
    if (missing.size === 0) return this.#broker.append(records)

    const failed = new Map<string, Error>()
    for (const topic of missing) {
      await this.ensure(topic).catch((error: unknown) => {
        failed.set(topic, error instanceof Error ? error : new Error(String(error)))
      })
    }
    const possible = records.filter((record) => !failed.has(record.topic))
    const results = (await this.#broker.append(possible)).values()
    return records.map((record) => {
      const error = failed.get(record.topic)
      if (error !== undefined) return { ok: false, topic: record.topic, error }
      return results.next().value as AppendResult
    })
  }

  #missing(records: readonly AppendRecord[]): Set<string> {
    const missing = new Set<string>()
    for (const { topic } of records) if (!this.#ready.has(topic)) missing.add(topic)
    return missing
  }

  async #make(topic: string): Promise<void> {
    try {
      await this.#broker.ensureTopic(topic, ownOptionsOf(topic) ?? this.#optionsOf(topic))
      this.#ready.add(topic)
    } finally {
      this.#making.delete(topic)
    }
  }
}

/** What a dead letter or a quarantined record adds must fit, however large a stranger's record was. */
function ownOptionsOf(topic: string): TopicOptions | undefined {
  if (!isDeadLetterTopic(topic) && !isQuarantineTopic(topic)) return undefined
  return { config: { 'max.message.bytes': String(2 * 1024 * 1024) } }
}
