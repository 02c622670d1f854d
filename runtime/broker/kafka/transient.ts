/** Trying again what may succeed, within a deadline, until the driver closes. */
import { setTimeout as delay } from 'node:timers/promises'
import { MillraceError, type ErrorCode } from '../../errors.ts'

/** Something that may succeed when tried again; never leaves the driver. */
export class Transient extends Error {
  /** What it becomes when the deadline has passed. */
  readonly code: ErrorCode

  constructor(message: string, options: { cause?: unknown; code?: ErrorCode } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Transient'
    this.code = options.code ?? 'FN_BROKER_UNAVAILABLE'
  }
}

/** How long requests are tried unless told otherwise, in milliseconds. */
export const REQUEST_DEADLINE_MS = 15_000
/** A topic that was made elsewhere a moment ago may not be known everywhere yet. */
export const UNKNOWN_TOPIC_PATIENCE_MS = 1_000

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000

export interface PersistOptions {
  deadlineMs?: number
  /** Before the second try; doubles from try to try. Default 50 ms. */
  firstPauseMs?: number
  /** Ends the trying; the driver is closing. */
  closing: AbortSignal
}

/** Tries until it succeeds, throws anything but a `Transient`, or the deadline passes. */
export async function persist<T>(
  attempt: () => Promise<T>,
  { deadlineMs = REQUEST_DEADLINE_MS, firstPauseMs = FIRST_PAUSE_MS, closing }: PersistOptions,
): Promise<T> {
  const began = Date.now()
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    if (closing.aborted) throw closed()
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof Transient)) throw error
      const patienceMs =
        error.code === 'FN_BROKER_UNKNOWN_TOPIC' ? UNKNOWN_TOPIC_PATIENCE_MS : deadlineMs
      if (Date.now() - began + pauseMs > patienceMs) throw settled(error)
    }
    await pause(pauseMs, closing)
  }
}

/** The error that the caller of the driver sees. */
export function settled(error: unknown): Error {
  if (error instanceof Transient) {
    return new MillraceError(error.code, error.message, { cause: error.cause })
  }
  return error instanceof Error ? error : new Error(String(error))
}

/** Sleeps; throws `FN_BROKER_CLOSED` when the driver closes meanwhile. */
export async function pause(ms: number, closing: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal: closing })
  } catch (error) {
    throw closed(error)
  }
}

export function closed(cause?: unknown): MillraceError {
  return new MillraceError('FN_BROKER_CLOSED', 'The Kafka driver is closed', { cause })
}
