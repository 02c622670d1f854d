/**
 * Keeps one isolate going: pumps when events are there, when a timer or deadline is due, when the
 * kernel asked for more; one pump at a time. Worker side.
 */
import type { Casualties, LossCause } from '../contract/worker-messages.ts'
import type { Guest } from './guest.ts'
import { PUMP } from './kernel-protocol.ts'
import { DUE, MARK, SLOT, type Marks } from './marks.ts'

const MAX_PUMP_CHARS = 1024 * 1024
/** Looking at the heap costs a crossing. */
const HEAP_CHECK_PUMPS = 32
const HEAP_SHARE_LIMIT = 0.7

/** Events on their way into an isolate. */
export interface EventsText {
  slots: number[]
  headerUnits: number
  text: string
}

export interface DriveListener {
  /** Events for this isolate, or undefined for none now. */
  next(drive: Drive): EventsText | undefined
  answered(rows: string, texts: string): void
  rejected(message: string): void
  lost(drive: Drive, casualties: Casualties): void
  /** It should take no new events. */
  worn(drive: Drive, reason: 'zombie' | 'heap'): void
  /** It holds no event any more. */
  empty(drive: Drive): void
}

export class Drive {
  readonly guest: Guest
  readonly #listener: DriveListener
  #pumping = false
  #ended = false
  #timer: NodeJS.Timeout | undefined
  /** Pumps that were to free the slots of the answer before. */
  #pumps = 0
  /** A pump has begun whose answer has not come. */
  #unanswered = false
  /** Slots of the events in the pump that runs. */
  #entering: number[] = []

  constructor(guest: Guest, listener: DriveListener) {
    this.guest = guest
    this.#listener = listener
  }

  /** Something may be there to do. */
  wake(): void {
    if (!this.#pumping && !this.#ended) void this.#run()
  }

  /** Stops and tells what was in it. Idempotent; a pump that runs answers nobody any more. */
  end(cause: LossCause, starved: boolean): Casualties {
    this.#ended = true
    clearTimeout(this.#timer)
    const casualties = this.#casualties(cause, starved)
    this.guest.dispose()
    return casualties
  }

  async #run(): Promise<void> {
    this.#pumping = true
    clearTimeout(this.#timer)
    const { marks } = this.guest
    let flags = 0
    for (;;) {
      const args = this.#takeEvents()
      if (args.length === 0 && (flags & PUMP.keep) === 0 && !isDue(marks)) {
        if (!isDeadlocked(marks)) break
        flags |= PUMP.deadlock
      }
      if ((flags & PUMP.keep) === 0) this.#pumps = (this.#pumps + 1) | 0
      this.#unanswered = true
      const outcome = await this.guest.pump(flags, args)
      if (this.#ended) return
      flags = 0
      if (outcome.kind === 'lost') {
        this.#listener.lost(this, this.end(outcome.cause, outcome.starved))
        return
      }
      this.#entering = []
      if (outcome.kind === 'rejection') {
        this.#listener.rejected(outcome.message)
        flags = PUMP.keep
        continue
      }
      this.#unanswered = false
      this.#listener.answered(outcome.rows, outcome.texts)
      await this.#lookForWear()
      if (this.#ended) return
    }
    this.#pumping = false
    this.#rest(marks)
  }

  #takeEvents(): Array<number | string> {
    const args: Array<number | string> = []
    let chars = 0
    while (chars < MAX_PUMP_CHARS) {
      const events = this.#listener.next(this)
      if (events === undefined) break
      args.push(events.headerUnits, events.text)
      chars += events.text.length
      this.#entering =
        this.#entering.length === 0 ? events.slots : [...this.#entering, ...events.slots]
    }
    return args
  }

  async #lookForWear(): Promise<void> {
    if ((this.guest.marks.ints[MARK.zombies] as number) > 0) {
      this.#listener.worn(this, 'zombie')
    } else if (this.#pumps % HEAP_CHECK_PUMPS === 0) {
      const share = await this.guest.heapShare()
      if (!this.#ended && share > HEAP_SHARE_LIMIT) this.#listener.worn(this, 'heap')
    }
  }

  #casualties(cause: LossCause, starved: boolean): Casualties {
    const { ints, slots } = this.guest.marks
    const running = ints[MARK.running] as number
    const casualties: Casualties = {
      cause,
      starved,
      running,
      together: [],
      suspended: [],
      done: [],
      waiting: [],
    }
    // Finished and not told: only those of a pump that began and did not answer.
    const doneCounts = this.#unanswered && ints[MARK.pump] === this.#pumps
    const seen = new Set<number>([running])
    slots.forEach((state, slot) => {
      if (state === SLOT.free || (state === SLOT.done && !doneCounts)) return
      if (state === SLOT.suspended) casualties.suspended.push(slot)
      else if (state === SLOT.firstStretch && slot !== running) casualties.together.push(slot)
      else if (state === SLOT.waiting) casualties.waiting.push(slot)
      else if (state === SLOT.done && slot !== running) casualties.done.push(slot)
      seen.add(slot)
    })
    // Those that the kernel had not even read.
    for (const slot of this.#entering) if (!seen.has(slot)) casualties.waiting.push(slot)
    return casualties
  }

  #rest(marks: Marks): void {
    if (marks.ints[MARK.held] === 0) return this.#listener.empty(this)
    const waitMs = Math.max(nextDue(marks) - Date.now(), 0)
    this.#timer = setTimeout(() => this.wake(), Math.min(waitMs, 2 ** 31 - 1))
  }
}

function nextDue(marks: Marks): number {
  return Math.min(marks.due[DUE.timer] as number, marks.due[DUE.deadline] as number)
}

/** Timers without an event that waits are nobody's: they wait for the next event. */
function isDue(marks: Marks): boolean {
  if (marks.ints[MARK.more] === 1) return true
  return (marks.ints[MARK.held] as number) > 0 && nextDue(marks) <= Date.now()
}

/** Handlers wait, and there is nothing that could ever wake them. */
function isDeadlocked(marks: Marks): boolean {
  return (marks.ints[MARK.suspended] as number) > 0 && marks.due[DUE.timer] === Infinity
}
