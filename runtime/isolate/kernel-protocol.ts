/**
 * What passes between a worker and the kernel inside an isolate, as numbers and arrays so that nothing
 * has to be parsed on the way through the worker. The supervisor writes event rows and reads result
 * rows; the worker only carries the text.
 *
 * In: a JSON header (`EventsHeader`), then the data texts one after another.
 * Out: result rows joined by commas, and the data texts of the replies one after another. Lengths are
 * in UTF-16 units: both ends cut by them, so no data can pass for its neighbour.
 */

/** How a data text is to be read. */
export const DATA = { none: 0, json: 1, text: 2, base64: 3 } as const

export interface EventsHeader {
  /** Names of triggers. */
  t: string[]
  /**
   * `ROW_NUMBERS` for each event: slot, `DATA`, units of its data text, lane, place of its trigger in
   * `t`, concurrency, attempt, timeoutMs. One flat list, because it parses fastest.
   */
  n: number[]
  /** The attributes of each event. */
  a: Array<Record<string, string | number | boolean>>
}

export const ROW_NUMBERS = 8

export const STATUS = { done: 0, dropped: 1, failed: 2, again: 3, line: 4 } as const

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const

/** A log line in a row: place in `LEVELS`, text. */
export type LogRow = [level: number, message: string]

export type ReplyRow = [
  attributes: Record<string, string | number | boolean>,
  data: number,
  units: number,
]

export type ResultRow =
  | [
      status: typeof STATUS.done,
      slot: number,
      durationMs: number,
      logs: LogRow[],
      replies: ReplyRow[],
    ]
  | [
      status: typeof STATUS.dropped,
      slot: number,
      durationMs: number,
      logs: LogRow[],
      reason: string,
    ]
  | [
      status: typeof STATUS.failed,
      slot: number,
      durationMs: number,
      logs: LogRow[],
      code: string,
      errorClass: string,
      message: string,
      stack: string,
      retryAfterMs: number,
    ]
  /** With a 1 the event has to run alone: it was in a batch that failed as a whole. */
  | [status: typeof STATUS.again, slot: number, suspect?: 1]
  /** A line that belongs to no event in flight. */
  | [status: typeof STATUS.line, level: number, message: string]

/** First argument of the pump; bits. */
export const PUMP = {
  /** Keep what the last pump wrote: its answer was lost to an unhandled rejection. */
  keep: 1,
  /** Nothing is due and nothing is asked for: whoever still waits, waits in vain. */
  deadlock: 2,
} as const

/** After this long the kernel starts no further handler in a pump and returns. */
export const START_BUDGET_MS = 50

/** File names in stacks. */
export const KERNEL_FILE = 'millrace:kernel'
