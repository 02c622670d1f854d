/**
 * What became of dead letters: the records of the compacted topic `{group}.dlq.state`, whose key is the
 * dead letter's `ref` (`topic/partition/offset`) and whose value is this as JSON. A dead letter without
 * such a record is open.
 */
export interface DeadLetterState {
  /**
   * - `replayed`: its event was appended to `{group}.retry`.
   * - `discarded`: somebody decided that it is not needed.
   * - `edited`: another dead letter, with other data, took its place.
   */
  state: 'replayed' | 'discarded' | 'edited'
  /** RFC 3339. */
  at: string
  /** `replayed`: place of the record in the retry topic's partition. `edited`: `ref` of the new one. */
  to?: string
  /** `discarded`: why, in somebody's words. */
  reason?: string
}

/** What a control record says of one trigger; its key is `namespace/name` of the trigger. */
export interface TriggerControl {
  paused: boolean
  /** RFC 3339. */
  at: string
  reason?: string
}
