/**
 * Keeps the order of a key over its dead letters (`onDeadLetter: 'park'`): as long as one waits for a
 * person, later events of the key go after it into the dead-letter topic. When the ones that failed are
 * settled, those that only stood behind them are sent back, and new events wait for them.
 */
import type { Logger } from '../contract/log.ts'
import type { KeptLetter, LetterFate, ParkingLot } from '../contract/parking.ts'
import { after } from './timer.ts'

export interface ParkingOptions {
  lot: ParkingLot
  /** New events of the key may go on, or go another way. */
  moved: (key: string) => void
  log: Logger
}

/**
 * What a new event of a key does: `go` to the function, `park` behind the dead letters, or `hold` until
 * what was parked has come back.
 */
export type Way = 'go' | 'park' | 'hold'

/** How often the fate of kept letters is asked for. */
const LOOK_MS = 1_000
const SEND_AGAIN_MS = 2_000

export class Parking {
  readonly #options: ParkingOptions
  /** The letters of each key that are not over, in order. */
  readonly #keys = new Map<string, Map<string, KeptLetter['state']>>()
  /** Keys whose parked letters are being sent back. */
  readonly #sending = new Set<string>()
  #cancelLook: (() => void) | undefined
  readonly #channels = new Set<object>()
  #restored = false
  #closed = false

  constructor(options: ParkingOptions) {
    this.#options = options
  }

  /** A channel whose events it keeps in order. */
  enter(channel: object): void {
    this.#channels.add(channel)
  }

  /** The last one closes it. */
  leave(channel: object): void {
    this.#channels.delete(channel)
    if (this.#channels.size > 0) return
    this.#closed = true
    this.#cancelLook?.()
  }

  /** Reads what an earlier process left; rejects when the log does not answer. */
  async restore(): Promise<void> {
    if (this.#restored) return
    for (const { key, ref, state } of await this.#options.lot.load()) {
      this.keep(laneKeyOf(key), ref, state)
    }
    this.#restored = true
    for (const key of this.#keys.keys()) this.#drain(key)
  }

  wayOf(key: string): Way {
    const letters = this.#keys.get(key)
    if (letters === undefined) return 'go'
    const states = new Set(letters.values())
    return states.has('failed') ? 'park' : 'hold'
  }

  isKept(key: string): boolean {
    return this.#keys.has(key)
  }

  /** A dead letter of the key is in the log. */
  keep(key: string, ref: string, state: KeptLetter['state']): void {
    const letters = this.#keys.get(key) ?? new Map<string, KeptLetter['state']>()
    letters.set(ref, state)
    this.#keys.set(key, letters)
    this.#look()
  }

  /** The event of this letter has come back from the retry topic. */
  cameBack(key: string, ref: string): void {
    const letters = this.#keys.get(key)
    if (letters?.has(ref)) letters.set(ref, 'sent')
  }

  /** That event has ended; if as a dead letter, it is kept under the new one. */
  over(key: string, ref: string): void {
    const letters = this.#keys.get(key)
    if (!letters?.delete(ref)) return
    if (letters.size === 0) this.#keys.delete(key)
    else this.#drain(key)
  }

  /** Sends parked letters back once none is left that has failed. */
  #drain(key: string): void {
    const letters = this.#keys.get(key)
    if (letters === undefined || this.#sending.has(key) || this.#closed) return
    const states = new Set(letters.values())
    if (states.has('failed') || !states.has('parked')) return
    this.#sending.add(key)
    const refs = [...letters].flatMap(([ref, state]) => (state === 'parked' ? [ref] : []))
    void this.#options.lot
      .send(refs)
      .then(() => this.#settle())
      .then(
        () => this.#sending.delete(key),
        (error: unknown) => {
          this.#options.log.error(
            { error: String(error), letters: refs.length, retryInMs: SEND_AGAIN_MS },
            'parked events could not be sent back; trying again',
          )
          after(SEND_AGAIN_MS, () => {
            this.#sending.delete(key)
            this.#drain(key)
          })
        },
      )
  }

  /** Looks at what operators do, as long as there is something to be decided. */
  #look(): void {
    if (this.#cancelLook !== undefined || this.#closed) return
    this.#cancelLook = after(LOOK_MS, () => {
      void this.#settle().finally(() => {
        this.#cancelLook = undefined
        if (this.#keys.size > 0) this.#look()
      })
    })
  }

  async #settle(): Promise<void> {
    const open = [...this.#keys].flatMap(([key, letters]) =>
      [...letters].flatMap(([ref, state]) => (state === 'sent' ? [] : [{ key, ref }])),
    )
    if (open.length === 0) return
    let fates: LetterFate[]
    try {
      fates = await this.#options.lot.fates(open.map(({ ref }) => ref))
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'what became of dead letters cannot be read')
      return
    }
    const changed = new Set<string>()
    for (const [index, { key, ref }] of open.entries()) {
      if (this.#apply(key, ref, fates[index] as LetterFate)) changed.add(key)
    }
    for (const key of changed) {
      this.#drain(key)
      if (!this.#closed) this.#options.moved(key)
    }
  }

  #apply(key: string, ref: string, fate: LetterFate): boolean {
    const letters = this.#keys.get(key)
    if (letters === undefined || letters.get(ref) === 'sent' || fate.fate === 'kept') return false
    if (fate.fate === 'sent') this.cameBack(key, ref)
    else {
      const state = letters.get(ref)
      this.over(key, ref)
      if (fate.fate === 'replaced' && state !== undefined) this.keep(key, fate.by, state)
    }
    return true
  }
}

/** As `laneKey` has it for `ordering: 'key'`. */
function laneKeyOf(key: Buffer): string {
  return key.toString('latin1')
}
