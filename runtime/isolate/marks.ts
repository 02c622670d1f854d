/**
 * Shared memory between a worker and the kernel of one isolate: what runs, and what is due. The worker
 * reads it when an isolate dies, because a dead isolate can no longer say what it was doing.
 */

/** Slots an isolate can hold at once. The runner hands out slot numbers below it. */
export const MAX_SLOTS = 8_192

/** Places in the Int32 view. */
export const MARK = {
  /** Slot whose handler is in its first synchronous stretch, or -1. */
  running: 0,
  /** Handlers that wait for something. */
  suspended: 1,
  /** 1: the kernel stopped early; pump again at once. */
  more: 2,
  /** Handlers that went on after their event was given up. */
  zombies: 3,
  /** Events in the kernel that have no result yet. */
  held: 4,
  /** Number of the pump that last freed the slots of answered results. */
  pump: 5,
} as const

/** Places in the Float64 view: milliseconds since the epoch, `Infinity` for none. */
export const DUE = { timer: 4, deadline: 5 } as const

export const SLOTS_AT_BYTE = 64
export const MARKS_BYTES = SLOTS_AT_BYTE + MAX_SLOTS

/** States in the Uint8 view from `SLOTS_AT_BYTE`. */
export const SLOT = { free: 0, waiting: 1, firstStretch: 2, suspended: 3, done: 4 } as const

export interface Marks {
  readonly ints: Int32Array
  readonly due: Float64Array
  readonly slots: Uint8Array
}

export function marksOver(memory: SharedArrayBuffer): Marks {
  return {
    ints: new Int32Array(memory, 0, SLOTS_AT_BYTE / 4),
    due: new Float64Array(memory, 0, SLOTS_AT_BYTE / 8),
    slots: new Uint8Array(memory, SLOTS_AT_BYTE, MAX_SLOTS),
  }
}
