/** Brings the events of one subscriber to its address: a request for each. */
import { performance } from 'node:perf_hooks'
import type { OpenRunner, ResultListener, WorkItem, WorkResult } from '../../contract/work.ts'
import type { Address } from './address.ts'
import type { Connections } from './connections.ts'
import { Exchange, type Answer } from './exchange.ts'
import { outcomeOf } from './outcome.ts'
import { requestOf, type DeliveryFormat } from './request.ts'
import { Turns } from './turns.ts'

export interface HttpRunnerOptions {
  name: string
  address: Address
  format: DeliveryFormat
  connections: Connections
  /** Largest data of a reply. */
  maxReplyBytes: number
  onResults: ResultListener
  /** Nothing of it runs any more, and nothing will. */
  left: () => Promise<void>
}

export class HttpRunner implements OpenRunner {
  readonly #options: HttpRunnerOptions
  readonly #turns = new Turns()
  readonly #running = new Map<WorkItem, Exchange>()
  readonly #idle = Promise.withResolvers<void>()
  #results: WorkResult[] = []
  #isScheduled = false
  #closed = false
  #closing: Promise<void> | undefined
  #items = 0
  #bytes = 0

  constructor(options: HttpRunnerOptions) {
    this.#options = options
    void options.connections.opening.then(() => this.#schedule())
  }

  submit(items: readonly WorkItem[]): void {
    this.#items += items.length
    for (const item of items) {
      this.#bytes += sizeOf(item)
      if (this.#closed) this.#give(item, again(item))
      else this.#turns.add(item)
    }
    this.#schedule()
  }

  inFlight(): { items: number; bytes: number } {
    return { items: this.#items, bytes: this.#bytes }
  }

  trouble(): string | undefined {
    return this.#closed ? 'closed' : undefined
  }

  /** Gives back what has not started; resolves when nothing runs any more. */
  stopStarting(): Promise<void> {
    this.#closed = true
    for (const item of this.#turns.clear()) this.#give(item, again(item))
    this.#schedule()
    return this.#idle.promise
  }

  close(): Promise<void> {
    return (this.#closing ??= this.stopStarting().then(this.#options.left))
  }

  /** After `stopStarting`: ends what still runs, and gives it back. */
  abandon(): void {
    for (const [item, exchange] of this.#running) {
      exchange.abandon()
      this.#give(item, again(item))
    }
    this.#running.clear()
    this.#schedule()
  }

  /** Once a turn of the event loop: what has come of many sockets is told together. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    const results = this.#results
    this.#results = []
    if (results.length > 0) this.#options.onResults(results)
    if (this.#options.connections.isOpen && !this.#closed) {
      for (const item of this.#turns.next()) this.#start(item)
    }
    if (this.#closed && this.#items === 0) this.#idle.resolve()
  }

  #start(item: WorkItem): void {
    const { connections, address, format, maxReplyBytes } = this.#options
    const { headers, body } = requestOf(item, format)
    const startedAt = performance.now()
    const exchange = new Exchange({
      timeoutMs: item.timeoutMs,
      maxReplyBytes,
      answered: (answer) => this.#answered(item, answer, performance.now() - startedAt),
      // A turn later the connection is free too; at once, the next request would open one more.
      released: () => {
        setImmediate(() => {
          this.#turns.released(item)
          this.#schedule()
        })
      },
    })
    this.#running.set(item, exchange)
    connections.dispatch(
      { path: address.path, method: 'POST', headers, body: body ?? null },
      exchange,
    )
  }

  #answered(item: WorkItem, answer: Answer, durationMs: number): void {
    this.#running.delete(item)
    const result = this.#resultOf(item, answer, durationMs)
    this.#give(item, result)
    for (const behind of this.#turns.ended(item, result.status === 'failed')) {
      this.#give(behind, again(behind))
    }
    this.#schedule()
  }

  #resultOf({ id, timeoutMs }: WorkItem, answer: Answer, durationMs: number): WorkResult {
    const { name, address, maxReplyBytes } = this.#options
    const outcome = outcomeOf(answer, {
      subscriber: subscriberText(name, address),
      dest: address.url,
      timeoutMs,
      maxReplyBytes,
    })
    if ('fault' in outcome) {
      return { id, status: 'failed', fault: outcome.fault, logs: [], durationMs }
    }
    return { id, status: 'done', replies: outcome.replies, logs: [], durationMs }
  }

  #give(item: WorkItem, result: WorkResult): void {
    this.#items--
    this.#bytes -= sizeOf(item)
    this.#results.push(result)
  }
}

/** Most subscribers have no other name than their address. */
function subscriberText(name: string, { url, shown }: Address): string {
  return name === url ? `subscriber ${shown}` : `subscriber ${name} at ${shown}`
}

function sizeOf({ event }: WorkItem): number {
  return (event.data?.bytes.length ?? 0) + 256
}

function again({ id }: WorkItem): WorkResult {
  return { id, status: 'again', suspect: false }
}
