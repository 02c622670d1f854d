/**
 * What one trigger remembers of its last deliveries, for `fn why`.
 *
 * It is written for every event, so it lies in flat arrays: a ring of deliveries, a ring of attempts, and
 * hash chains that find a delivery by its place. Only an attempt that failed or dropped its event makes an object.
 */
import type { AttemptTrace, DeliveryTrace } from '../contract/history.ts'
import { ATTEMPT_RESULTS, type AttemptResult } from '../contract/metrics.ts'
import { OUTCOMES, type Fault, type Outcome } from '../contract/outcome.ts'

/** An event on its way, as the delivery holds it anyway. */
export interface Delivered {
  readonly channel: { readonly topic: string; readonly partition: number }
  readonly record: { readonly offset: number }
  /** 1 for the first. */
  readonly attempt: number
}

export interface Attempted {
  readonly status: AttemptResult
  readonly durationMs: number
  /** Why it was dropped. */
  readonly reason?: string
}

interface Failure {
  fault: Pick<Fault, 'code' | 'class' | 'message'>
  retryInMs: number | undefined
}

/** What is kept of an attempt beside numbers: why it failed, or why its event was dropped. */
type Cause = Failure | { reason: string }

export const MAX_DELIVERIES = 10_000
/** Most events need one attempt; where most need more, the oldest attempts go first. */
const ATTEMPTS_PER_DELIVERY = 2
const FIRST_CAPACITY = 64
const MAX_MESSAGE_LENGTH = 300
const NONE = -1

export class DeliveryHistory {
  readonly #trigger: string
  readonly #deliveries: Deliveries
  readonly #attempts: Attempts

  /** `trigger` is `namespace/name`. */
  constructor(trigger: string, maxDeliveries = MAX_DELIVERIES) {
    this.#trigger = trigger
    this.#deliveries = new Deliveries(maxDeliveries)
    this.#attempts = new Attempts(maxDeliveries * ATTEMPTS_PER_DELIVERY)
  }

  /**
   * An attempt has its result. A first attempt begins a new delivery, also of an event that was delivered
   * before: its partition came back.
   */
  recordAttempt(task: Delivered, result: Attempted): void {
    const { channel, record, attempt } = task
    const place = this.#deliveries.placeOf(channel.topic, channel.partition)
    let slot = attempt === 1 ? NONE : this.#deliveries.openSlot(place, record.offset)
    if (slot === NONE) slot = this.#deliveries.add(place, record.offset)
    const before = this.#deliveries.lastAttempt[slot] as number
    this.#deliveries.lastAttempt[slot] = this.#attempts.add(attempt, result, before)
  }

  /**
   * The last attempt has failed: its handler, or what became of its replies. `retryInMs` is the wait until
   * the next one, where one follows.
   */
  recordFailure(task: Delivered, fault: Failure['fault'], retryInMs?: number): void {
    const slot = this.#openSlot(task)
    if (slot === NONE) return
    const last = this.#deliveries.lastAttempt[slot] as number
    this.#attempts.fail(last, { fault, retryInMs })
  }

  /** An event has ended. One without a remembered attempt is left out. */
  recordEnd(task: Delivered, outcome: Outcome): void {
    const slot = this.#openSlot(task)
    if (slot !== NONE) this.#deliveries.end(slot, outcome)
  }

  /** The last delivery of this event, or undefined when it is not kept. */
  find(topic: string, partition: number, offset: number): DeliveryTrace | undefined {
    const place = this.#deliveries.knownPlace(topic, partition)
    const slot = place === NONE ? NONE : this.#deliveries.slotOf(place, offset)
    if (slot === NONE) return undefined
    return {
      trigger: this.#trigger,
      topic,
      partition,
      offset,
      attempts: this.#attempts.upTo(this.#deliveries.lastAttempt[slot] as number),
      ...this.#deliveries.endOf(slot),
    }
  }

  #openSlot({ channel, record }: Delivered): number {
    const place = this.#deliveries.placeOf(channel.topic, channel.partition)
    return this.#deliveries.openSlot(place, record.offset)
  }
}

/** A ring of deliveries. A slot is found by place and offset through the chain of its bucket. */
class Deliveries {
  readonly #max: number
  readonly #places = new Map<string, number[]>()
  #placeCount = 0
  #capacity = 0
  #size = 0
  /** Slot that is written next once the ring is full. */
  #oldest = 0
  #place = new Int32Array(0)
  #offset = new Float64Array(0)
  #endedAt = new Float64Array(0)
  #outcome = new Int8Array(0)
  /** Next slot of the same bucket, older than this one. */
  #older = new Int32Array(0)
  #buckets = new Int32Array(0)
  /** Number of the last attempt of each. */
  lastAttempt = new Float64Array(0)

  constructor(max: number) {
    this.#max = max
  }

  /** A small number for a partition: there are few, and they come again. */
  placeOf(topic: string, partition: number): number {
    let partitions = this.#places.get(topic)
    if (partitions === undefined) this.#places.set(topic, (partitions = []))
    return (partitions[partition] ??= this.#placeCount++)
  }

  knownPlace(topic: string, partition: number): number {
    return this.#places.get(topic)?.[partition] ?? NONE
  }

  add(place: number, offset: number): number {
    if (this.#size === this.#capacity && this.#capacity < this.#max) this.#grow()
    let slot = this.#size
    if (slot < this.#capacity) {
      this.#size++
    } else {
      slot = this.#oldest
      this.#oldest = (slot + 1) % this.#capacity
      this.#unchain(slot)
    }
    this.#place[slot] = place
    this.#offset[slot] = offset
    this.#endedAt[slot] = 0
    this.#outcome[slot] = NONE
    this.lastAttempt[slot] = NONE
    this.#chain(slot)
    return slot
  }

  /** The newest slot of this event. */
  slotOf(place: number, offset: number): number {
    if (this.#capacity === 0) return NONE
    let slot = this.#buckets[this.#bucketOf(place, offset)] as number
    while (slot !== NONE && !(this.#offset[slot] === offset && this.#place[slot] === place)) {
      slot = this.#older[slot] as number
    }
    return slot
  }

  /** As `slotOf`, unless that delivery has ended. */
  openSlot(place: number, offset: number): number {
    const slot = this.slotOf(place, offset)
    return slot !== NONE && this.#outcome[slot] === NONE ? slot : NONE
  }

  end(slot: number, outcome: Outcome): void {
    this.#outcome[slot] = OUTCOMES.indexOf(outcome)
    this.#endedAt[slot] = Date.now()
  }

  endOf(slot: number): Pick<DeliveryTrace, 'outcome' | 'endedAt'> {
    const outcome = OUTCOMES[this.#outcome[slot] as number]
    return { outcome, endedAt: outcome === undefined ? undefined : this.#endedAt[slot] }
  }

  #bucketOf(place: number, offset: number): number {
    // Offsets of a partition follow each other, so they spread by themselves.
    return (offset + Math.imul(place, 0x9e3779b1)) & (this.#buckets.length - 1)
  }

  #chain(slot: number): void {
    const bucket = this.#bucketOf(this.#place[slot] as number, this.#offset[slot] as number)
    this.#older[slot] = this.#buckets[bucket] as number
    this.#buckets[bucket] = slot
  }

  /** The slot is the oldest of all, so it is the last of its chain. */
  #unchain(slot: number): void {
    const bucket = this.#bucketOf(this.#place[slot] as number, this.#offset[slot] as number)
    let before = this.#buckets[bucket] as number
    if (before === slot) {
      this.#buckets[bucket] = NONE
      return
    }
    while (this.#older[before] !== slot) before = this.#older[before] as number
    this.#older[before] = NONE
  }

  /** Only before the ring is full, when slots stand in the order in which they were added. */
  #grow(): void {
    const capacity = Math.min(this.#max, Math.max(FIRST_CAPACITY, this.#capacity * 2))
    this.#place = grown(this.#place, new Int32Array(capacity))
    this.#offset = grown(this.#offset, new Float64Array(capacity))
    this.#endedAt = grown(this.#endedAt, new Float64Array(capacity))
    this.#outcome = grown(this.#outcome, new Int8Array(capacity))
    this.lastAttempt = grown(this.lastAttempt, new Float64Array(capacity))
    this.#older = new Int32Array(capacity)
    this.#buckets = new Int32Array(2 ** Math.ceil(Math.log2(capacity))).fill(NONE)
    this.#capacity = capacity
    for (let slot = 0; slot < this.#size; slot++) this.#chain(slot)
  }
}

/** A ring of attempts, numbered from 0 on; each knows the one before it of the same delivery. */
class Attempts {
  readonly #max: number
  #capacity = 0
  #next = 0
  #attempt = new Uint32Array(0)
  #at = new Float64Array(0)
  #durationMs = new Float64Array(0)
  #result = new Uint8Array(0)
  #before = new Float64Array(0)
  #causes: Array<Cause | undefined> = []

  constructor(max: number) {
    this.#max = max
  }

  add(attempt: number, { status, durationMs, reason }: Attempted, before: number): number {
    if (this.#next === this.#capacity && this.#capacity < this.#max) this.#grow()
    const number = this.#next++
    const slot = number % this.#capacity
    this.#attempt[slot] = attempt
    this.#at[slot] = Date.now()
    this.#durationMs[slot] = durationMs
    this.#result[slot] = ATTEMPT_RESULTS.indexOf(status)
    this.#before[slot] = before
    if (this.#causes.length > 0) this.#causes[slot] = undefined
    if (reason !== undefined) this.#keep(slot, { reason: shortened(reason) })
    return number
  }

  fail(number: number, { fault, retryInMs }: Failure): void {
    if (!this.#isKept(number)) return
    const { code, message } = fault
    this.#result[number % this.#capacity] = ATTEMPT_RESULTS.indexOf('failed')
    const kept = { code, class: fault.class, message: shortened(message) }
    this.#keep(number % this.#capacity, { fault: kept, retryInMs })
  }

  /** Those of one delivery that are still there, oldest first. */
  upTo(last: number): AttemptTrace[] {
    const traces: AttemptTrace[] = []
    for (let number = last; this.#isKept(number);) {
      const slot = number % this.#capacity
      traces.push(this.#trace(slot))
      number = this.#before[slot] as number
    }
    return traces.toReversed()
  }

  #keep(slot: number, cause: Cause): void {
    if (this.#causes.length === 0) this.#causes = Array.from({ length: this.#capacity })
    this.#causes[slot] = cause
  }

  #isKept(number: number): boolean {
    return number !== NONE && number >= this.#next - this.#capacity
  }

  #trace(slot: number): AttemptTrace {
    const trace: AttemptTrace = {
      attempt: this.#attempt[slot] as number,
      at: this.#at[slot] as number,
      durationMs: this.#durationMs[slot] as number,
      result: ATTEMPT_RESULTS[this.#result[slot] as number] as AttemptResult,
    }
    const cause = this.#causes[slot]
    if (cause === undefined) return trace
    if ('reason' in cause) return { ...trace, reason: cause.reason }
    trace.error = cause.fault
    if (cause.retryInMs !== undefined) trace.retryInMs = cause.retryInMs
    return trace
  }

  /** Only before the ring is full, when slots are numbers. */
  #grow(): void {
    const capacity = Math.min(this.#max, Math.max(FIRST_CAPACITY, this.#capacity * 2))
    this.#attempt = grown(this.#attempt, new Uint32Array(capacity))
    this.#at = grown(this.#at, new Float64Array(capacity))
    this.#durationMs = grown(this.#durationMs, new Float64Array(capacity))
    this.#result = grown(this.#result, new Uint8Array(capacity))
    this.#before = grown(this.#before, new Float64Array(capacity))
    this.#capacity = capacity
    if (this.#causes.length > 0) {
      this.#causes = Array.from({ length: capacity }, (_, slot) => this.#causes[slot])
    }
  }
}

function grown<T extends Int8Array | Uint8Array | Int32Array | Uint32Array | Float64Array>(
  from: T,
  to: T,
): T {
  to.set(from)
  return to
}

/** A copy, because a cut string would keep the whole one alive. */
function shortened(text: string): string {
  if (text.length <= MAX_MESSAGE_LENGTH) return text
  return Buffer.from(text.slice(0, MAX_MESSAGE_LENGTH)).toString()
}
