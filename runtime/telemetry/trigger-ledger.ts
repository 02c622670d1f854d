import { OUTCOMES, type Outcome } from '../contract/outcome.ts'

/** `returned`: given back unfinished; see `TriggerMetrics.returned`. */
export type LedgerEntry = Outcome | 'returned'

export const LEDGER_ENTRIES: readonly LedgerEntry[] = [...OUTCOMES, 'returned']

export interface LedgerSnapshot {
  consumed: number
  inFlight: number
  outcomes: Record<LedgerEntry, number>
}

/**
 * The books of one trigger. What is in flight is never counted, only derived, so that
 * consumed = sum(outcomes) + in flight holds at every moment.
 */
export class TriggerLedger {
  #consumed = 0
  readonly #outcomes: Record<LedgerEntry, number> = {
    acked: 0,
    filtered: 0,
    deadlettered: 0,
    dropped: 0,
    deduplicated: 0,
    quarantined: 0,
    returned: 0,
  }

  consumed(n: number): void {
    this.#consumed += n
  }

  outcome(entry: LedgerEntry, n: number): void {
    this.#outcomes[entry] += n
  }

  get inFlight(): number {
    let ended = 0
    for (const entry of LEDGER_ENTRIES) ended += this.#outcomes[entry]
    return this.#consumed - ended
  }

  snapshot(): LedgerSnapshot {
    return {
      consumed: this.#consumed,
      inFlight: this.inFlight,
      outcomes: { ...this.#outcomes },
    }
  }
}
