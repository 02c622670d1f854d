/** Who handles events: one runner for each function, address or transformation, shared by its triggers. */
import type { Logger } from './contract/log.ts'
import type { FunctionManifest } from './contract/manifest.ts'
import type { Subscriber } from './contract/subscriber.ts'
import type {
  FunctionBundle,
  IsolatePool,
  ResultListener,
  SubscriberRunner,
} from './contract/work.ts'

import { transformFunction } from './isolate/transform-bundle.ts'
import { createPassRunner } from './subscriber/pass.ts'

export interface LoadedFunction {
  manifest: FunctionManifest
  bundle: FunctionBundle
}

export interface SubscribersOptions {
  pool: IsolatePool
  functions: readonly LoadedFunction[]
  log: Logger
}

/** One runner, and everybody who waits for results of it. */
export interface OpenSubscriber {
  runner: SubscriberRunner
  /** Of a function. */
  manifest?: FunctionManifest
  /** Results go to every listener, which takes those that are its own. Returns how to stop that. */
  listen(listener: ResultListener): () => void
}

export class Subscribers {
  readonly #options: SubscribersOptions
  readonly #open = new Map<string, Promise<OpenSubscriber>>()

  constructor(options: SubscribersOptions) {
    this.#options = options
  }

  /** Rejects when it cannot be opened, such as a function that does not load; each call says so. */
  open(subscriber: Subscriber): Promise<OpenSubscriber> {
    // What is behind a name may change, as the expression of a transformation.
    const key = JSON.stringify(subscriber)
    const known = this.#open.get(key) ?? this.#start(subscriber)
    this.#open.set(key, known)
    return known
  }

  async #start(subscriber: Subscriber): Promise<OpenSubscriber> {
    const listeners = new Set<ResultListener>()
    const onResults: ResultListener = (results) => {
      for (const listener of listeners) listener(results)
    }
    const listen = (listener: ResultListener): (() => void) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
    switch (subscriber.kind) {
      case 'function': {
        const { manifest, bundle } = this.#functionOf(subscriber.name)
        return {
          runner: await this.#options.pool.open(manifest, bundle, onResults),
          manifest,
          listen,
        }
      }
      case 'pass':
        return { runner: createPassRunner(onResults), listen }
      case 'transform': {
        const { manifest, bundle } = await transformFunction(subscriber)
        return { runner: await this.#options.pool.open(manifest, bundle, onResults), listen }
      }
      case 'http':
        throw new Error(`a subscriber of kind ${subscriber.kind} is not served yet`)
    }
  }

  #functionOf(name: string): LoadedFunction {
    const found = this.#options.functions.find(({ manifest }) => manifest.name === name)
    if (found === undefined) throw new Error(`there is no function ${name} in the build`)
    return found
  }
}
