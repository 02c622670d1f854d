import type { CloudEvent } from './cloud-event.ts'
import type { Context } from './context.ts'

/**
 * An event that a handler hands back to the broker. Only `type` is needed; what is left out is filled
 * in: `id` (the same again when the cause is delivered again), `source`
 * (`/NAMESPACE/functions/NAME`), `time`, `datacontenttype` and the cause's `partitionkey`.
 */
export interface Reply<T = unknown> {
  type: string
  id?: string | undefined
  source?: string | undefined
  specversion?: string | undefined
  subject?: string | undefined
  /** RFC 3339. */
  time?: string | undefined
  datacontenttype?: string | undefined
  dataschema?: string | undefined
  /** A JSON value, text, or a `Uint8Array`. */
  data?: T | undefined
  /** Extension attributes: lower-case letters and digits; text, a whole number or a boolean. */
  [extension: string]: unknown
}

/**
 * Nothing, one event, an array or other iterable, or an async iterable, collected to its end: at most
 * 1,000 events and 8 MiB, published together.
 */
export type HandlerResult =
  | Reply
  | readonly Reply[]
  | AsyncIterable<Reply>
  | null
  | undefined
  | void

/** What a function file exports as `handler`. */
export type Handler<T = unknown> = (
  event: CloudEvent<T>,
  context: Context,
) => HandlerResult | Promise<HandlerResult>
