/** Runs one function's events: in its worker group, and suspects alone in a process of their own. */
import type { FunctionManifest } from '../contract/manifest.ts'
import type { Fault } from '../contract/outcome.ts'
import type { FunctionRunner, ResultListener, WorkItem, WorkResult } from '../contract/work.ts'
import { LaneHold, sizeOf } from './lane-hold.ts'
import { Seat, type SeatOptions } from './seat.ts'
import { Solo } from './solo.ts'
import type { GroupOptions, WorkerGroup } from './worker-group.ts'

export interface RunnerOptions extends Pick<
  SeatOptions,
  'manifest' | 'code' | 'stacks' | 'log' | 'maxReplyBytes'
> {
  group: WorkerGroup
  soloGroup: GroupOptions
  onResults: ResultListener
  /** It has left its group. */
  left: () => Promise<void>
}

export class Runner implements FunctionRunner {
  readonly manifest: FunctionManifest
  readonly #options: RunnerOptions
  readonly #seat: Seat
  readonly #solo: Solo
  readonly #hold = new LaneHold()
  /** Submitted in this turn of the event loop. */
  #fresh: WorkItem[] = []
  #gathering = false
  /** Frames that wait for the worker. */
  readonly #queue: WorkItem[][] = []
  readonly #opened = Promise.withResolvers<void>()
  #isOpen = false
  #closed = false
  #closing: Promise<void> | undefined
  #fault: Fault | undefined
  #items = 0
  #bytes = 0

  constructor(options: RunnerOptions) {
    this.manifest = options.manifest
    this.#options = options
    const { manifest, code, stacks, log, maxReplyBytes } = options
    const finished = (results: WorkResult[], items: WorkItem[]): void => this.#done(results, items)
    const seat = { manifest, code, stacks, log, maxReplyBytes, finished }
    this.#seat = new Seat({
      ...seat,
      group: options.group,
      alone: false,
      ready: () => this.#ready(),
      failed: (fault) => this.#initFailed(fault),
    })
    this.#solo = new Solo({ seat, group: options.soloGroup })
  }

  /** Rejects with the `Fault` of the load. */
  open(): Promise<void> {
    this.#options.group.join(this.#seat)
    return this.#opened.promise
  }

  submit(items: readonly WorkItem[]): void {
    this.#items += items.length
    for (const item of items) this.#bytes += sizeOf(item)
    if (this.#closed) return this.#later(items, again)
    const fault = this.#fault
    if (fault !== undefined) return this.#later(items, (id) => failed(id, fault))
    for (const item of items) {
      if (item.alone) this.#solo.submit(item)
      else this.#fresh.push(item)
    }
    if (this.#gathering) return
    this.#gathering = true
    setImmediate(() => this.#sendFresh())
  }

  inFlight(): { items: number; bytes: number } {
    return { items: this.#items, bytes: this.#bytes }
  }

  trouble(): string | undefined {
    if (this.#fault !== undefined) return `does not load: ${this.#fault.message}`
    if (this.#closed) return 'closed'
    return undefined
  }

  /** Gives back what has not started, and everything that comes from now on. */
  stopStarting(): void {
    this.#closed = true
    const unsent = [
      ...this.#queue.splice(0).flat(),
      ...this.#hold.clear(),
      ...this.#fresh.splice(0),
    ]
    this.#give(
      unsent.map((item) => again(item.id)),
      unsent,
    )
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.stopStarting()
    const unsent = await this.#solo.close()
    this.#give(
      unsent.map((item) => again(item.id)),
      unsent,
    )
    this.#options.group.leave(this.#seat)
    await this.#options.left()
  }

  /** Many triggers of one function submit in one turn of the event loop, each a little: one frame for all. */
  #sendFresh(): void {
    this.#gathering = false
    this.#send(this.#fresh.splice(0))
  }

  #send(items: readonly WorkItem[]): void {
    if (items.length === 0) return
    this.#queue.push(...this.#hold.cut(items))
    this.#flush()
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      const frame = this.#queue[0] as WorkItem[]
      if (this.#closed || !this.#seat.hasRoom(frame.length)) return
      this.#queue.shift()
      this.#seat.send(frame)
    }
  }

  #ready(): void {
    this.#fault = undefined
    this.#isOpen = true
    this.#opened.resolve()
    this.#flush()
  }

  #initFailed(fault: Fault): 'again' | 'leave' {
    if (!this.#isOpen) {
      this.#opened.reject(fault)
      return 'leave'
    }
    this.#fault = fault
    const items = [...this.#queue.splice(0).flat(), ...this.#hold.clear(), ...this.#fresh.splice(0)]
    this.#give(
      items.map((item) => failed(item.id, fault)),
      items,
    )
    return 'again'
  }

  #done(results: WorkResult[], items: WorkItem[]): void {
    const { release, giveBack } = this.#hold.heard(results, items)
    this.#give(results, items)
    this.#give(
      giveBack.map((item) => again(item.id)),
      giveBack,
    )
    this.#send(release)
    this.#flush()
  }

  #give(results: WorkResult[], items: readonly WorkItem[]): void {
    if (items.length === 0) return
    this.#items -= items.length
    for (const item of items) this.#bytes -= sizeOf(item)
    this.#options.onResults(results)
  }

  #later(items: readonly WorkItem[], result: (id: number) => WorkResult): void {
    setImmediate(() =>
      this.#give(
        items.map((item) => result(item.id)),
        items,
      ),
    )
  }
}

function again(id: number): WorkResult {
  return { id, status: 'again', suspect: false }
}

function failed(id: number, fault: Fault): WorkResult {
  return { id, status: 'failed', fault, logs: [], durationMs: 0 }
}
