import type { TestContext } from 'node:test'

/** Where to say what has to be ended or removed: a test, or a run of the command. */
export type Cleanup = Pick<TestContext, 'after'>

/** For code outside of a test: `end` does it all, last first. */
export class Cleanups {
  readonly #steps: Array<() => unknown> = []

  readonly after: Cleanup['after'] = (step) => {
    if (step !== undefined) this.#steps.push(step as () => unknown)
  }

  async end(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) await step()
  }
}
