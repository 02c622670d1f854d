/** Looks after the open log: retention and compaction now and then, and a disk that takes no more. */
import type { EmbeddedLogger } from './options.ts'
import type { LogThread } from './thread-client.ts'
import type { TopicTable } from './topic-table.ts'

const PROBE_EVERY_MS = 1_000

export class Caretaker {
  readonly #thread: LogThread
  readonly #topics: TopicTable
  readonly #log: EmbeddedLogger
  readonly #checkEveryMs: number
  #maintenance: NodeJS.Timeout | undefined
  #probe: NodeJS.Timeout | undefined
  #trouble: string | undefined
  #isStopped = false

  constructor(options: {
    thread: LogThread
    topics: TopicTable
    checkEveryMs: number
    log: EmbeddedLogger
  }) {
    this.#thread = options.thread
    this.#topics = options.topics
    this.#log = options.log
    this.#checkEveryMs = options.checkEveryMs
    this.#maintainIn(0)
  }

  /** Why the log takes no records, until a write goes through again. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** Hears of each transaction. While they fail, a probe asks again, since callers may have stopped. */
  written(error: Error | undefined): void {
    if (!error) {
      this.#trouble = undefined
      clearTimeout(this.#probe)
      this.#probe = undefined
      return
    }
    if (!this.#trouble) this.#log.warn({ error }, 'the embedded log could not write')
    this.#trouble = `The embedded log could not write: ${error.message}`
    if (this.#isStopped) return
    this.#probe ??= setTimeout(() => void this.#askAgain(), PROBE_EVERY_MS)
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#maintenance)
    clearTimeout(this.#probe)
  }

  async #askAgain(): Promise<void> {
    this.#probe = undefined
    try {
      await this.#thread.call('probe', {})
      this.written(undefined)
    } catch (error) {
      this.written(error as Error)
    }
  }

  #maintainIn(delayMs: number): void {
    if (this.#isStopped) return
    this.#maintenance = setTimeout(() => void this.#maintain(), delayMs)
  }

  /** One piece at a time, so that what was asked in between goes first. */
  async #maintain(): Promise<void> {
    let more = false
    try {
      const answer = await this.#thread.call('maintain', { nowMs: Date.now() })
      for (const { partitionId, start } of answer.starts) {
        this.#topics.moveStart(partitionId, start)
      }
      more = answer.more
    } catch (error) {
      if (this.#isStopped || this.#thread.failure) return
      this.#log.warn({ error }, 'retention of the embedded log failed; it is tried again later')
    }
    this.#maintainIn(more ? 0 : this.#checkEveryMs)
  }
}
