/** What a consumer does again and again: commit progress, and look around for what may have changed. */
import type { Broker, Membership } from '../contract/broker.ts'
import type { Logger } from '../contract/log.ts'
import { commitProgress } from './commits.ts'
import type { RetryTopics } from './consumer-options.ts'
import type { OwnedPartition } from './owned-partition.ts'

export interface RoundsOptions {
  broker: Pick<Broker, 'commit'>
  /** Wait between two commits. */
  commitIntervalMs: number
  /** Those that are owned as of now. */
  partitions: () => Iterable<OwnedPartition>
  /** Undefined while there is none; then nothing is committed. */
  membership: () => Membership | undefined
  retryTopics: () => Promise<RetryTopics>
  log: Logger
}

/** What is not committed runs again after a crash, so this is a bound of that. */
const MAX_COMMIT_REST_MS = 5_000
/** How often groups that refused are asked again, and new retry topics are looked for. */
const LOOK_AROUND_MS = 2_000

export class Rounds {
  readonly #options: RoundsOptions
  #timer: NodeJS.Timeout | undefined
  #committing: Promise<void> = Promise.resolve()
  #lookedAt = 0
  #stopped = false

  constructor(options: RoundsOptions) {
    this.#options = options
  }

  start(): void {
    if (!this.#stopped) this.#schedule()
  }

  /** Goes no further round; `commit` can still be called. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** One commit at a time, so that an older position never overtakes a newer one. */
  commit(): Promise<void> {
    this.#committing = this.#committing.then(() => this.#commit())
    return this.#committing
  }

  /**
   * A thousand groups take a while to commit; committing takes a tenth of the time at most. A
   * commit that waited for a log that was away says nothing of that kind.
   */
  #schedule(tookMs = 0): void {
    const restMs = Math.min(tookMs * 10, MAX_COMMIT_REST_MS)
    const waitMs = Math.max(this.#options.commitIntervalMs, restMs)
    this.#timer = setTimeout(() => {
      const startedAt = performance.now()
      void this.commit()
        .then(() => this.#lookAround())
        .finally(() => {
          if (!this.#stopped) this.#schedule(performance.now() - startedAt)
        })
    }, waitMs)
  }

  async #commit(): Promise<void> {
    const { broker, log } = this.#options
    const membership = this.#options.membership()
    if (membership === undefined) return
    const all = [...this.#options.partitions()]
    const cursors = all.flatMap((owned) =>
      owned.appending().map((cursor) => [cursor, owned.assignment] as const),
    )
    await Promise.all([
      commitProgress({ broker, cursors, membership, log }),
      ...all.map((owned) => owned.commit()),
    ])
  }

  /** Triggers that could not start may start now, and retry topics may have come. */
  async #lookAround(): Promise<void> {
    if (Date.now() < this.#lookedAt + LOOK_AROUND_MS) return
    this.#lookedAt = Date.now()
    try {
      const retryTopics = await this.#options.retryTopics()
      for (const owned of this.#options.partitions()) {
        await owned.askAgain()
        await owned.openRetries(retryTopics)
      }
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'triggers cannot be asked again')
    }
  }
}
