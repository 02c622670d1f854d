/**
 * A CloudEvent on its way through the runtime.
 *
 * The data stays as the bytes that arrived: the runtime routes by attributes and never re-encodes a
 * payload, so what a producer wrote is what a handler, a dead letter and a replay see.
 */

/**
 * An attribute value. CloudEvents core 1.0, "Type System": Boolean, Integer, and String; the further
 * types (Binary as base64, URI, URI-reference, Timestamp as RFC 3339) travel as their canonical text.
 */
export type AttributeValue = string | number | boolean

/** The context attributes, extensions included, under their lower-case names. */
export interface Attributes {
  specversion: string
  id: string
  source: string
  type: string
  datacontenttype?: string
  dataschema?: string
  subject?: string
  /** RFC 3339 text exactly as the producer wrote it: offset and fractions are kept. */
  time?: string
  [extension: string]: AttributeValue | undefined
}

/**
 * How data is understood.
 * - `json`: the bytes are one JSON text (not yet parsed, so possibly not valid).
 * - `text`: the bytes are UTF-8 text of a non-JSON media type.
 * - `binary`: anything else; handlers see a `Uint8Array`.
 */
export type DataKind = 'json' | 'text' | 'binary'

export interface EventData {
  kind: DataKind
  bytes: Buffer
}

/** One event: attributes, and its data or `undefined` where it has none. */
export interface Event {
  attributes: Attributes
  data: EventData | undefined
}
