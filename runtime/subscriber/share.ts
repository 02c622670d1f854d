/** One runner for many triggers: each result goes to whoever submitted its item. */
import type { ResultListener, SubscriberRunner, WorkResult } from '../contract/work.ts'

export class SharedRunner {
  readonly #owners = new Map<number, ResultListener>()
  readonly #idle: () => void

  /** `idle`: the last item that was in flight has its result. */
  constructor(idle: () => void = () => {}) {
    this.#idle = idle
  }

  /** Items in flight. */
  get size(): number {
    return this.#owners.size
  }

  /** The runner as one trigger uses it. */
  share(runner: SubscriberRunner, listener: ResultListener): SubscriberRunner {
    return {
      submit: (items) => {
        for (const { id } of items) this.#owners.set(id, listener)
        runner.submit(items)
      },
      inFlight: () => runner.inFlight(),
      trouble: () => runner.trouble(),
    }
  }

  /** Mostly one trigger's; a thousand triggers of one function must not be asked one by one. */
  give(results: readonly WorkResult[]): void {
    const parts = new Map<ResultListener, WorkResult[]>()
    for (const result of results) {
      const owner = this.#owners.get(result.id)
      if (owner === undefined) continue // cannot be: an item has one result
      this.#owners.delete(result.id)
      const part = parts.get(owner)
      if (part === undefined) parts.set(owner, [result])
      else part.push(result)
    }
    for (const [owner, part] of parts) owner(part)
    if (this.#owners.size === 0) this.#idle()
  }
}
