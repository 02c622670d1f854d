import type { MadeEvent } from './load-events.ts'

export type Fate =
  | { fate: 'accepted' }
  /** The log surely does not have it. */
  | { fate: 'not sent' }
  /** The log may have it. */
  | { fate: 'unsure'; reason: string }

export interface Sender {
  /** One batch; throws only for what cannot be repaired by sending it again. */
  send(events: readonly MadeEvent[]): Promise<Fate>
  close(): Promise<void>
}
