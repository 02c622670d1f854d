/**
 * Runs suspects of one function, one at a time, in a worker process of their own: whatever happens to
 * that process is the doing of the one event in it, and no other function pays for it.
 */
import type { Fault } from '../contract/outcome.ts'
import type { WorkItem, WorkResult } from '../contract/work.ts'
import { Seat, type SeatOptions } from './seat.ts'
import { WorkerGroup, type GroupOptions } from './worker-group.ts'

const IDLE_MS = 10_000

export interface SoloOptions {
  seat: Omit<SeatOptions, 'group' | 'alone' | 'ready' | 'failed'>
  group: GroupOptions
}

export class Solo {
  readonly #options: SoloOptions
  readonly #queue: WorkItem[] = []
  #group: WorkerGroup | undefined
  #seat: Seat | undefined
  #running = false
  #closed = false
  #idle: NodeJS.Timeout | undefined

  constructor(options: SoloOptions) {
    this.#options = options
  }

  submit(item: WorkItem): void {
    this.#queue.push(item)
    clearTimeout(this.#idle)
    this.#next()
  }

  /** What had not started. */
  async close(): Promise<WorkItem[]> {
    this.#closed = true
    clearTimeout(this.#idle)
    const group = this.#group
    this.#group = undefined
    this.#seat = undefined
    await group?.close()
    return this.#queue.splice(0)
  }

  #next(): void {
    if (this.#running || this.#closed) return
    if (this.#queue.length === 0) return this.#rest()
    const seat = (this.#seat ??= this.#open())
    if (!seat.hasRoom(1)) return
    this.#running = true
    seat.send([this.#queue.shift() as WorkItem])
  }

  #open(): Seat {
    const group = new WorkerGroup(this.#options.group)
    const seat = new Seat({
      ...this.#options.seat,
      group,
      alone: true,
      ready: () => this.#next(),
      failed: (fault) => this.#failed(fault),
      finished: (results, items) => {
        this.#running = false
        this.#options.seat.finished(results, items)
        this.#next()
      },
    })
    this.#group = group
    group.join(seat)
    return seat
  }

  /** It loaded in its own worker before: what waits here fails this attempt and is tried again. */
  #failed(fault: Fault): 'again' {
    const items = this.#queue.splice(0)
    const results = items.map(({ id }): WorkResult => {
      return { id, status: 'failed', fault, logs: [], durationMs: 0 }
    })
    if (items.length > 0) this.#options.seat.finished(results, items)
    return 'again'
  }

  /** The process is kept for a while: suspects seldom come one at a time. */
  #rest(): void {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => {
      void this.#group?.close()
      this.#group = undefined
      this.#seat = undefined
    }, IDLE_MS)
    this.#idle.unref()
  }
}
