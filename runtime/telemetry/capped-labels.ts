/** What a label says once its cap is reached. */
export const OTHER = 'other'

/** Distinct values of one label that may come from events. */
export const MAX_LABEL_VALUES = 200

/** An attribute may be as long as an event; a label must not. */
const MAX_LABEL_LENGTH = 256

/**
 * The values that one label has taken. The first 200 keep their name and all later ones are `other`, so
 * that no producer can grow the metrics without bound.
 */
export class CappedLabels {
  readonly #known = new Map<string, string>()

  /** The value itself, or `other`. */
  admit(value: string): string {
    const known = this.#known.get(value)
    if (known !== undefined) return known
    if (this.#known.size >= MAX_LABEL_VALUES || value.length > MAX_LABEL_LENGTH) return OTHER
    const own = detached(value)
    this.#known.set(own, own)
    return own
  }
}

/** A string cut from a larger one keeps that one alive; a label lives for ever. */
function detached(value: string): string {
  return Buffer.from(value).toString()
}
