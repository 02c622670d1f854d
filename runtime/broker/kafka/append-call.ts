import type { AppendResult } from '../../contract/broker.ts'

/** One call of `append`: resolves when each of its records has its result. */
export class AppendCall {
  readonly done: Promise<AppendResult[]>
  readonly #results: AppendResult[]
  readonly #resolve: (results: AppendResult[]) => void
  #missing: number

  constructor(records: number) {
    const { promise, resolve } = Promise.withResolvers<AppendResult[]>()
    this.done = promise
    this.#resolve = resolve
    this.#results = Array.from<AppendResult>({ length: records })
    this.#missing = records
  }

  settle(index: number, result: AppendResult): void {
    this.#results[index] = result
    this.#missing--
    if (this.#missing === 0) this.#resolve(this.#results)
  }
}
