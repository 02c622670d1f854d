/** Whether Kafka answers: any answer says that it does, a failed probe that it does not. */
import type { Logger } from '../../contract/log.ts'
import { why } from './connections.ts'
import { settled } from './transient.ts'

export interface HealthWatchOptions {
  /** Asks any broker something cheap. */
  probe(): Promise<void>
  /** What to call the cluster. */
  name: string
  log: Logger | undefined
}

const CHECK_MS = 500
/** Without any answer for this long, Kafka is asked. */
const SILENCE_MS = 5_000

export class HealthWatch {
  readonly #options: HealthWatchOptions
  #trouble: string | undefined
  #answeredAt = 0
  #suspected = true
  #timer: NodeJS.Timeout | undefined
  #probing = false

  constructor(options: HealthWatchOptions) {
    this.#options = options
    this.#trouble = `Kafka at ${options.name} has not answered yet`
  }

  start(): void {
    this.#timer = setInterval(() => void this.#check(), CHECK_MS).unref()
    void this.#check()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  trouble(): string | undefined {
    return this.#trouble
  }

  answered(): void {
    this.#answeredAt = Date.now()
    if (this.#trouble === undefined) return
    this.#trouble = undefined
    this.#options.log?.info({ brokers: this.#options.name }, 'Kafka answers')
  }

  /** Something failed that may mean that Kafka is gone: ask now. */
  suspect(): void {
    this.#suspected = true
    void this.#check()
  }

  /** Never rejects. */
  async #check(): Promise<void> {
    if (this.#probing || this.#timer === undefined) return
    const isSilent = Date.now() - this.#answeredAt > SILENCE_MS
    if (!this.#suspected && !isSilent && this.#trouble === undefined) return
    this.#probing = true
    this.#suspected = false
    try {
      await this.#options.probe()
    } catch (error) {
      this.#fail(error)
    }
    this.#probing = false
  }

  #fail(error: unknown): void {
    if (this.#timer === undefined) return
    const isNew = this.#trouble === undefined
    const { name, log } = this.#options
    this.#trouble = `Kafka at ${name} does not answer: ${why(settled(error))}`
    if (isNew) log?.warn({ brokers: name, err: settled(error) }, 'Kafka does not answer')
  }
}
