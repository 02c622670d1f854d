/**
 * Dead letters that keep the later events of their key back (`onDeadLetter: 'park'`), between the
 * delivery, which holds the lanes, and the dead-letter topics, which outlive it.
 */

/** A dead letter of one trigger and partition whose event is not over. */
export interface KeptLetter {
  /** `topic/partition/offset`. */
  ref: string
  /** The record's key. */
  key: Buffer
  /**
   * - `failed`: a person has to decide about it.
   * - `parked`: it only stood behind another one.
   * - `sent`: on its way back, through the retry topic.
   */
  state: 'failed' | 'parked' | 'sent'
}

/** What has become of a letter since it was kept. */
export type LetterFate =
  | { fate: 'kept' | 'sent' | 'gone' }
  /** Another letter, with other data, stands in its place. */
  | { fate: 'replaced'; by: string }

/** The letters of one trigger and partition. */
export interface ParkingLot {
  /** Those that are not over, in the order in which their events came into the broker. */
  load(): Promise<KeptLetter[]>
  /** What an operator, or this process, has done with them. */
  fates(refs: readonly string[]): Promise<LetterFate[]>
  /** Sends letters back to the trigger, in the order of their events. */
  send(refs: readonly string[]): Promise<void>
}
