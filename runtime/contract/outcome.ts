import type { ErrorCode } from '../errors.ts'

/** How one event ends for one trigger; exactly one of these. */
export const OUTCOMES = [
  'acked',
  'filtered',
  'deadlettered',
  'dropped',
  'deduplicated',
  'quarantined',
] as const
export type Outcome = (typeof OUTCOMES)[number]

/**
 * Why an attempt failed, as data: it crosses from the isolate through the worker to the supervisor and
 * into dead letters. Recognised by `code`; `class` and `message` are for people.
 */
export interface Fault {
  code: ErrorCode
  /** The error's own name: `TypeError`, `InvalidReply`, `Timeout`, … At most 100 characters. */
  class: string
  /** At most 2,000 characters. */
  message: string
  /** Source-mapped where a map is at hand. At most 4,000 characters. */
  stack?: string
  /** Wait that the handler asked for with `Retry({ after })`, or Retry-After, in milliseconds. */
  retryAfterMs?: number
  /** Of an HTTP subscriber: what it answered, for the dead letter. */
  response?: FaultResponse
}

export interface FaultResponse {
  /** The subscriber's address. */
  dest: string
  /** HTTP status; none: there was no answer. */
  status?: number
  /** The first 1,024 bytes of the answer's body, as base64; none for an empty body. */
  body?: string
  /** From the answer's `kne-` headers: attributes that the dead letter gets. At most 16 and 4 KiB. */
  extensions?: Record<string, string>
}
