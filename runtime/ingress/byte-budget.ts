/** How many bytes of unanswered requests the ingress holds, and how many it may. */
export class ByteBudget {
  readonly #maxBytes: number
  #usedBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Whether `bytes` more would fit. When it is full, nothing fits, not even an empty body. */
  fits(bytes: number): boolean {
    return this.#usedBytes < this.#maxBytes && this.#usedBytes + bytes <= this.#maxBytes
  }

  take(bytes: number): void {
    this.#usedBytes += bytes
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes
  }
}
