/**
 * Follows the configuration of a cluster (`shared-config.ts`) and applies each new version. What cannot
 * be read or applied is reported, and what ran before goes on.
 */
import { backOff } from './backoff.ts'
import { configTopic } from './broker/names.ts'
import type { Broker, LogRecord } from './contract/broker.ts'
import type { Logger } from './contract/log.ts'
import type { Topology } from './contract/topology.ts'
import { isMillraceError, retryOf } from './errors.ts'
import { CONFIG_TOPIC_OPTIONS, readConfig, type SharedConfig } from './shared-config.ts'

export interface FollowOptions {
  broker: Pick<Broker, 'ensureTopic' | 'read' | 'ranges'>
  namespace: string
  app: string
  /** Puts a topology into force, or rejects and leaves everything as it was. */
  apply(topology: Topology): Promise<void>
  log: Logger
}

const READ_WAIT_MS = 1_000
const AGAIN_MS = 5_000

export class TopologyFollower {
  readonly #options: FollowOptions
  readonly #topic: string
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  #position: number | undefined
  #appliedVersion: number | undefined
  /** Read and not applied yet. */
  #next: SharedConfig | undefined
  #tryAt = 0
  #problem: string | undefined

  constructor(options: FollowOptions) {
    this.#options = options
    this.#topic = configTopic(options.namespace)
    this.#done = this.#follow()
  }

  /** Of the configuration in force; undefined before the first. */
  get version(): number | undefined {
    return this.#appliedVersion
  }

  /** Why this process has no configuration yet, for `/readyz`; undefined once it has one. */
  waiting(): string | undefined {
    if (this.#appliedVersion !== undefined) return undefined
    const { app } = this.#options
    const why = this.#problem ?? 'a controller has to write it (fn start --role controller)'
    return `waiting for the first configuration of ${app} in ${this.#topic}: ${why}`
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#read()
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        if (isMillraceError(error, 'FN_BROKER_OFFSET_OUT_OF_RANGE')) {
          this.#position = undefined // compacted away, or the topic was made anew
        } else {
          this.#problem = (error as Error).message
          this.#options.log.warn(
            { error: this.#problem },
            'the configuration cannot be read; trying again',
          )
        }
        await backOff(failures++, signal)
        continue
      }
      await this.#apply()
    }
  }

  async #read(): Promise<void> {
    const { broker, app } = this.#options
    const { signal } = this.#stop
    const at = { topic: this.#topic, partition: 0 }
    if (this.#position === undefined) {
      await broker.ensureTopic(this.#topic, CONFIG_TOPIC_OPTIONS)
      const [range] = await broker.ranges([at])
      this.#position = range?.start ?? 0
    }
    // To the end: older ones are not put into force on the way to the newest.
    for (let end = Infinity; this.#position < end;) {
      const batch = await broker.read(at, this.#position, { waitMs: READ_WAIT_MS, signal })
      for (const record of batch.records) if (record.key?.toString() === app) this.#take(record)
      this.#position = batch.next
      end = batch.end
    }
  }

  #take(record: LogRecord): void {
    const config = readConfig(record)
    if (typeof config === 'string') {
      const { offset } = record
      this.#problem = `the configuration at offset ${offset} is not used: ${config}`
      this.#options.log.error(
        { topic: this.#topic, offset, error: config },
        'configuration not used',
      )
      return
    }
    this.#next = config
    this.#tryAt = 0
  }

  async #apply(): Promise<void> {
    const next = this.#next
    if (next === undefined || performance.now() < this.#tryAt) return
    const { log } = this.#options
    const { version, topology } = next
    try {
      await this.#options.apply(topology)
      this.#next = undefined
      this.#appliedVersion = version
      this.#problem = undefined
      log.info(
        {
          version,
          brokers: topology.brokers.length,
          triggers: topology.triggers.length,
          flows: topology.flows.length,
        },
        'configuration applied',
      )
    } catch (error) {
      const heals = !isMillraceError(error) || retryOf(error.code) === 'backoff'
      this.#tryAt = performance.now() + AGAIN_MS
      this.#problem = `version ${version} cannot be applied: ${(error as Error).message}`
      log.error(
        { version, inForce: this.#appliedVersion, err: error },
        'configuration not applied; what ran before goes on',
      )
      if (!heals) this.#next = undefined
    }
  }
}
