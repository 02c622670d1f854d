/**
 * A CloudEvent as a handler sees it: the attributes side by side with the data, as the `cloudevents`
 * package has it (`CloudEventV1<T>`; every `CloudEvent<T>` is one). Read only, because the event may be
 * delivered again.
 */
export interface CloudEvent<T = unknown> {
  /** Unique together with `source`. */
  readonly id: string
  /** URI-reference of the producer. */
  readonly source: string
  readonly type: string
  readonly specversion: string
  readonly datacontenttype?: string
  readonly dataschema?: string
  readonly subject?: string
  /** RFC 3339, exactly as the producer wrote it. */
  readonly time?: string
  /**
   * JSON is parsed (on first use; what does not parse ends the event as `InvalidData`), text is a
   * string, anything else a `Uint8Array`. `undefined` where the event has no data. The type is the
   * author's claim: nothing has checked it.
   */
  readonly data: T
  /** Extension attributes: text, a number or a boolean, or `undefined` where there is none. */
  readonly [extension: string]: unknown
}
