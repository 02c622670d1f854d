/**
 * Makes the output of events durable: replies once, dead letters for as long as it takes.
 */
import type { AppendRecord, AppendResult } from '../contract/broker.ts'
import type { Logger } from '../contract/log.ts'
import type { Task } from './lane.ts'
import { after } from './timer.ts'

/** Output of one task on its way to the log. */
export interface Completion {
  task: Task
  outcome: 'acked' | 'deadlettered' | 'dropped'
  /** None for one that only waits for the output before it in its lane. */
  records: AppendRecord[]
}

/** `refused`: why a reply is not known to be durable. A dead letter is never refused. */
export interface Settled {
  completion: Completion
  refused: Error | undefined
}

export interface OutboxOptions {
  append: (records: readonly AppendRecord[]) => Promise<AppendResult[]>
  /** In the order of publishing, as far as the output was published together. */
  settled: (settled: readonly Settled[]) => void
  log: Logger
}

const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 5_000

export class Outbox {
  readonly #options: OutboxOptions
  #size = 0

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /** Completions under way. */
  get size(): number {
    return this.#size
  }

  /** One append for the output of a whole frame of results. */
  publish(completions: readonly Completion[]): void {
    if (completions.length === 0) return
    this.#size += completions.length
    const records = completions.flatMap((one) => one.records)
    void this.#options.append(records).then((results) => {
      const settled: Settled[] = []
      let at = 0
      for (const completion of completions) {
        const mine = results.slice(at, at + completion.records.length)
        at += completion.records.length
        const refused = firstError(mine)
        if (refused !== undefined && mustNotBeLost(completion)) {
          this.#repeat(completion, refused, FIRST_PAUSE_MS)
        } else {
          settled.push({ completion, refused })
        }
      }
      this.#settle(settled)
    })
  }

  /** An event must not be lost because its dead letter cannot be written: its lane waits. */
  #repeat(completion: Completion, refused: Error, pauseMs: number): void {
    const { id } = completion.task.event.attributes
    this.#options.log.error(
      { id, topic: completion.records[0]?.topic, error: refused.message, retryInMs: pauseMs },
      'dead letter could not be written; its lane waits',
    )
    after(pauseMs, () => {
      if (completion.task.channel.closed) return this.#settle([{ completion, refused }])
      void this.#options.append(completion.records).then((results) => {
        const again = firstError(results)
        if (again === undefined || !mustNotBeLost(completion)) {
          this.#settle([{ completion, refused: again }])
        } else {
          this.#repeat(completion, again, Math.min(pauseMs * 2, MAX_PAUSE_MS))
        }
      })
    })
  }

  #settle(settled: readonly Settled[]): void {
    this.#size -= settled.length
    this.#options.settled(settled)
  }
}

/** A dead letter, unless its partition was given up: then the event is another process's. */
function mustNotBeLost({ task, outcome }: Completion): boolean {
  return outcome === 'deadlettered' && !task.channel.closed
}

function firstError(results: readonly AppendResult[]): Error | undefined {
  for (const result of results) if (!result.ok) return result.error
  return undefined
}
