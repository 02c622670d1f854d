/** Who handles events: one runner for each function, address or transformation, shared by its triggers. */
import type { Logger } from './contract/log.ts'
import type { FunctionManifest } from './contract/manifest.ts'
import { subscriberName, type Subscriber } from './contract/subscriber.ts'
import type {
  FunctionBundle,
  IsolatePool,
  ResultListener,
  SubscriberRunner,
  WorkResult,
} from './contract/work.ts'

export interface LoadedFunction {
  manifest: FunctionManifest
  bundle: FunctionBundle
}

export interface SubscribersOptions {
  pool: IsolatePool
  functions: readonly LoadedFunction[]
  log: Logger
}

/** One runner, which several triggers share. */
export interface OpenSubscriber {
  /** Of a function. */
  manifest?: FunctionManifest
  /** The runner as one trigger uses it: results of what it submits go to `listener` alone. */
  share: (listener: ResultListener) => SubscriberRunner
}

export class Subscribers {
  readonly #options: SubscribersOptions
  readonly #open = new Map<string, Promise<OpenSubscriber>>()

  constructor(options: SubscribersOptions) {
    this.#options = options
  }

  /** Rejects when it cannot be opened, such as a function that does not load; each call says so. */
  open(subscriber: Subscriber): Promise<OpenSubscriber> {
    const key = `${subscriber.kind} ${subscriberName(subscriber)}`
    const known = this.#open.get(key) ?? this.#start(subscriber)
    this.#open.set(key, known)
    return known
  }

  async #start(subscriber: Subscriber): Promise<OpenSubscriber> {
    const shares = new Shares()
    const onResults: ResultListener = (results) => shares.give(results)
    switch (subscriber.kind) {
      case 'function': {
        const { manifest, bundle } = this.#functionOf(subscriber.name)
        const runner = await this.#options.pool.open(manifest, bundle, onResults)
        return { manifest, share: (listener) => shares.of(runner, listener) }
      }
      case 'http':
      case 'transform':
      case 'pass':
        throw new Error(`a subscriber of kind ${subscriber.kind} is not served yet`)
    }
  }

  #functionOf(name: string): LoadedFunction {
    const found = this.#options.functions.find(({ manifest }) => manifest.name === name)
    if (found === undefined) throw new Error(`there is no function ${name} in the build`)
    return found
  }
}

/** Gives each result to whoever submitted its item. */
class Shares {
  readonly #owners = new Map<number, ResultListener>()

  of(runner: SubscriberRunner, listener: ResultListener): SubscriberRunner {
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
  }
}
