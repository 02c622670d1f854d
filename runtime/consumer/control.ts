/**
 * Follows the deployment's control topic: which triggers a person has paused. It is in the log so that
 * all processes agree and a restart remembers.
 */
import type { Broker, LogRecord } from '../contract/broker.ts'
import type { TriggerControl } from '../contract/dead-letter-state.ts'
import type { Logger } from '../contract/log.ts'
import { isMillraceError } from '../errors.ts'
import { backOff } from '../backoff.ts'

export interface ControlOptions {
  broker: Pick<Broker, 'ensureTopic' | 'read' | 'ranges'>
  topic: string
  /** By the trigger's `namespace/name`. */
  changed(trigger: string, paused: boolean): void
  log: Logger
}

/** Compacted, so that it never grows beyond a record a trigger. */
export const CONTROL_TOPIC = { partitions: 1, config: { 'cleanup.policy': 'compact' } }
const READ_WAIT_MS = 1_000

export class Control {
  readonly #options: ControlOptions
  readonly #paused = new Set<string>()
  readonly #stop = new AbortController()
  #position = 0
  #following: Promise<void> = Promise.resolve()

  constructor(options: ControlOptions) {
    this.#options = options
  }

  /** Resolves when everything that was written before is known. */
  async start(): Promise<void> {
    const { broker, topic } = this.#options
    await broker.ensureTopic(topic, CONTROL_TOPIC)
    const [range] = await broker.ranges([{ topic, partition: 0 }])
    this.#position = range?.start ?? 0
    const end = range?.end ?? 0
    while (this.#position < end) await this.#read(0)
    this.#following = this.#follow()
  }

  isPaused(trigger: string): boolean {
    return this.#paused.has(trigger)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#following
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#read(READ_WAIT_MS)
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        if (isMillraceError(error, 'FN_BROKER_OFFSET_OUT_OF_RANGE')) {
          // Compaction took what stands here, or the topic was made anew: all that counts is further on.
          this.#position = Number(error.detail['start'] ?? 0)
        } else {
          this.#options.log.warn({ error: String(error) }, 'pauses cannot be read; trying again')
        }
        await backOff(failures++, signal)
      }
    }
  }

  async #read(waitMs: number): Promise<void> {
    const { broker, topic } = this.#options
    const { signal } = this.#stop
    const batch = await broker.read({ topic, partition: 0 }, this.#position, { waitMs, signal })
    for (const record of batch.records) this.#take(record)
    this.#position = batch.next
  }

  #take({ key, value, offset }: LogRecord): void {
    if (key === null) return
    const trigger = key.toString()
    const paused = value === null ? false : pausedIn(value)
    if (paused === undefined) {
      this.#options.log.warn({ trigger, offset }, 'a control record that says nothing is ignored')
      return
    }
    if (paused === this.#paused.has(trigger)) return
    if (paused) this.#paused.add(trigger)
    else this.#paused.delete(trigger)
    this.#options.changed(trigger, paused)
  }
}

function pausedIn(value: Buffer): boolean | undefined {
  try {
    const control = JSON.parse(value.toString()) as Partial<TriggerControl> | null
    return typeof control?.paused === 'boolean' ? control.paused : undefined
  } catch {
    return undefined // no JSON
  }
}
