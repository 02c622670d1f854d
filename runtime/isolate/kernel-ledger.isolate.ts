/** Which events are under way in the isolate, and what each came to. */
import { dateNow } from './kernel-intrinsics.isolate.ts'
import { DueList } from './kernel-due.isolate.ts'
import { describe, faultFields } from './kernel-faults.isolate.ts'
import { emit, reasonText } from './kernel-out.isolate.ts'
import { STATUS } from './kernel-protocol.ts'
import type { Replies } from './kernel-reply.isolate.ts'
import type { Lane, Run } from './kernel-run.isolate.ts'
import { DUE, MARK, SLOT, type Marks } from './marks.ts'

export class Ledger {
  readonly marks: Marks
  /** Calls that wait for something, each by the first of its events. */
  readonly suspended: DueList<Run>
  /** Whose code runs, as far as is known. */
  current: Run | null = null
  /** The time as last looked at: looking costs too much to do it twice for an event. */
  clock = 0
  /** Slots of results that have been answered. A list by slot would need care; the slots are few. */
  #firstDone: Run | null = null

  constructor(marks: Marks) {
    this.marks = marks
    this.suspended = new DueList<Run>((due) => {
      marks.due[DUE.deadline] = due
    })
    marks.ints[MARK.running] = -1
    marks.due[DUE.timer] = Infinity
    marks.due[DUE.deadline] = Infinity
  }

  freeDone(): void {
    const { slots } = this.marks
    for (let run = this.#firstDone; run !== null; run = run.next) slots[run.slot] = SLOT.free
    this.#firstDone = null
  }

  waits(run: Run): void {
    this.marks.slots[run.slot] = SLOT.waiting
    this.#count(MARK.held, 1)
  }

  starts(run: Run, now: number): void {
    run.startedAt = now
    this.marks.slots[run.slot] = SLOT.firstStretch
  }

  /** The call of `first` goes on asynchronously; the slots are the caller's to mark. */
  suspends(first: Run): void {
    first.suspended = true
    first.due = first.startedAt + first.timeoutMs
    this.suspended.add(first)
    first.lane.trigger.suspended++
    this.#count(MARK.suspended, 1)
  }

  done(run: Run, replies: Replies): void {
    if (this.wasSettled(run)) return
    emit(
      `[${STATUS.done},${run.slot},${this.#elapsed(run)},[${run.logs}],[${replies.rows}]]`,
      replies.texts,
    )
    this.#conclude(run)
    run.lane.trigger.release(run.lane)
  }

  fail(run: Run, thrown: unknown): void {
    if (this.wasSettled(run)) return
    const fault = describe(thrown)
    const head = `${run.slot},${this.#elapsed(run)},[${run.logs}]`
    if (fault.code === 'drop') {
      emit(`[${STATUS.dropped},${head},${reasonText(fault.message)}]`, '')
      this.#conclude(run)
    } else {
      emit(`[${STATUS.failed},${head},${faultFields(fault)}]`, '')
      this.#conclude(run)
      this.#returnLane(run.lane)
    }
    run.lane.trigger.release(run.lane)
  }

  /** An event that was under way runs again, and so does what stands behind it. */
  again(run: Run, suspect: boolean): void {
    this.#again(run, suspect)
    this.#returnLane(run.lane)
    run.lane.trigger.release(run.lane)
  }

  /** The handler of an event that was given up came to its end after all. */
  wasSettled(run: Run): boolean {
    if (!run.settled) return false
    if (run.zombie) {
      run.zombie = false
      this.#count(MARK.zombies, -1)
    }
    return true
  }

  becomesZombie(run: Run): void {
    run.zombie = true
    this.#count(MARK.zombies, 1)
  }

  /** What stands behind a failed event of its lane must not overtake its retry. */
  #returnLane(lane: Lane): void {
    lane.failed = true
    for (let run = lane.take(); run !== null; run = lane.take()) this.#again(run, false)
  }

  #again(run: Run, suspect: boolean): void {
    emit(suspect ? `[${STATUS.again},${run.slot},1]` : `[${STATUS.again},${run.slot}]`, '')
    this.#conclude(run)
  }

  #conclude(run: Run): void {
    run.settled = true
    this.marks.slots[run.slot] = SLOT.done
    this.#count(MARK.held, -1)
    if (run.suspended) {
      run.suspended = false
      this.suspended.remove(run)
      run.lane.trigger.suspended--
      this.#count(MARK.suspended, -1)
    }
    run.next = this.#firstDone
    this.#firstDone = run
  }

  #elapsed(run: Run): number {
    this.clock = dateNow()
    return this.clock - run.startedAt
  }

  #count(mark: number, by: 1 | -1): void {
    const { ints } = this.marks
    ints[mark] = (ints[mark] as number) + by
  }
}
