/**
 * Makes the output of events durable: replies once, dead letters for as long as it takes. What goes on
 * within this process is forwarded, and durable when all that follows from it is.
 */
import type { AppendRecord, AppendResult } from '../contract/broker.ts'
import type { ChannelOptions, TransactedOutput } from '../contract/delivery.ts'
import type { Logger } from '../contract/log.ts'
import { ownCopy, type Task } from './lane.ts'
import { SettleOrder } from './settle-order.ts'
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
  /** Where its records are, unless it is refused. */
  places: readonly AppendResult[]
}

export interface OutboxOptions {
  append: (records: readonly AppendRecord[]) => Promise<AppendResult[]>
  /** In the order of publishing, as far as the output was published together. */
  settled: (settled: readonly Settled[]) => void
  /** Something that was forwarded begins to wait, or goes on. */
  waitsBeyond: (task: Task, waits: boolean) => void
  log: Logger
}

type Transact = NonNullable<ChannelOptions['transact']>

const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 5_000

export class Outbox {
  readonly #options: OutboxOptions
  readonly #order = new SettleOrder()
  #size = 0

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /** Completions on their way to the log; those that were forwarded are not. */
  get size(): number {
    return this.#size
  }

  /** One append, or a transaction for each partition, for the output of a whole frame of results. */
  publish(completions: readonly Completion[]): void {
    const own: Completion[] = []
    for (const completion of completions) if (!this.#forward(completion)) own.push(completion)
    if (own.length > 0) this.#write(own)
  }

  #write(completions: readonly Completion[]): void {
    this.#size += completions.length
    const byWriter = Map.groupBy(completions, ({ task }) => task.channel.transact)
    for (const [transact, own] of byWriter) {
      if (transact === undefined) this.#append(own)
      else for (const part of transactions(own)) this.#transact(transact, part)
    }
  }

  /** False: it is the log's. */
  #forward(completion: Completion): boolean {
    const { task, records } = completion
    const { forward } = task.channel
    if (forward === undefined) return false
    this.#order.enter(completion)
    if (records.length === 0) return false
    // What follows may wait for hours; see `ownCopy`.
    ownCopy(task)
    const forwarded = forward(task.record, records, (waits) =>
      this.#options.waitsBeyond(task, waits),
    )
    if (forwarded === undefined) return false
    void forwarded.then((results) => this.#settled(judged([completion], results)))
    return true
  }

  #append(completions: readonly Completion[]): void {
    const records = completions.flatMap((one) => one.records)
    void this.#options.append(records).then((results) => {
      const settled: Settled[] = []
      for (const each of judged(completions, results)) {
        if (each.refused !== undefined && mustNotBeLost(each.completion)) {
          this.#repeat(each.completion, each.refused, FIRST_PAUSE_MS)
        } else {
          settled.push(each)
        }
      }
      this.#settle(settled)
    })
  }

  /** What is refused here has lost its channel, and its event runs again from the log. */
  #transact(transact: Transact, completions: readonly Completion[]): void {
    const output: TransactedOutput = {
      records: completions.flatMap((one) => one.records),
      ended: completions.map(({ task }) => task.record),
      alone: completions.some(({ outcome }) => outcome === 'deadlettered'),
    }
    void transact(output).then((results) => this.#settle(judged(completions, results)))
  }

  /** An event must not be lost because its dead letter cannot be written: its lane waits. */
  #repeat(completion: Completion, refused: Error, pauseMs: number): void {
    const { id } = completion.task.event.attributes
    this.#options.log.error(
      { id, topic: completion.records[0]?.topic, error: refused.message, retryInMs: pauseMs },
      'dead letter could not be written; its lane waits',
    )
    after(pauseMs, () => {
      if (completion.task.channel.closed) {
        return this.#settle([{ completion, refused, places: [] }])
      }
      void this.#options.append(completion.records).then((results) => {
        const again = firstError(results)
        if (again === undefined || !mustNotBeLost(completion)) {
          this.#settle([{ completion, refused: again, places: results }])
        } else {
          this.#repeat(completion, again, Math.min(pauseMs * 2, MAX_PAUSE_MS))
        }
      })
    })
  }

  #settle(settled: readonly Settled[]): void {
    this.#size -= settled.length
    this.#settled(settled)
  }

  #settled(settled: readonly Settled[]): void {
    this.#options.settled(this.#order.back(settled))
  }
}

/** In order; each dead letter for itself. */
function* transactions(completions: readonly Completion[]): Generator<Completion[]> {
  let part: Completion[] = []
  for (const completion of completions) {
    if (completion.outcome === 'deadlettered') {
      if (part.length > 0) yield part
      yield [completion]
      part = []
    } else {
      part.push(completion)
    }
  }
  if (part.length > 0) yield part
}

function judged(completions: readonly Completion[], results: readonly AppendResult[]): Settled[] {
  let at = 0
  return completions.map((completion) => {
    const mine = results.slice(at, at + completion.records.length)
    at += completion.records.length
    return { completion, refused: firstError(mine), places: mine }
  })
}

/** A dead letter, unless its partition was given up: then the event is another process's. */
function mustNotBeLost({ task, outcome }: Completion): boolean {
  return outcome === 'deadlettered' && !task.channel.closed
}

function firstError(results: readonly AppendResult[]): Error | undefined {
  for (const result of results) if (!result.ok) return result.error
  return undefined
}
