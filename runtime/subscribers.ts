/** Who handles events: one runner for each function, address or transformation, shared by its triggers. */
import type { FunctionManifest } from './contract/manifest.ts'
import type { Subscriber } from './contract/subscriber.ts'
import type {
  FunctionBundle,
  IsolatePool,
  ResultListener,
  SubscriberRunner,
} from './contract/work.ts'
import { transformFunction } from './isolate/transform-bundle.ts'
import type { HttpSubscribers } from './subscriber/http/subscribers.ts'
import { createPassRunner } from './subscriber/pass.ts'
import { SharedRunner } from './subscriber/share.ts'

export interface LoadedFunction {
  manifest: FunctionManifest
  bundle: FunctionBundle
}

export interface SubscribersOptions {
  pool: IsolatePool
  http: HttpSubscribers
  functions: readonly LoadedFunction[]
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
    const key = JSON.stringify(subscriber)
    const known = this.#open.get(key) ?? this.#start(subscriber)
    this.#open.set(key, known)
    return known
  }

  async #start(subscriber: Subscriber): Promise<OpenSubscriber> {
    const shares = new SharedRunner()
    const onResults: ResultListener = (results) => shares.give(results)
    const shared = (runner: SubscriberRunner): OpenSubscriber => ({
      share: (listener) => shares.share(runner, listener),
    })
    switch (subscriber.kind) {
      case 'function': {
        const { manifest, bundle } = this.#functionOf(subscriber.name)
        return { ...shared(await this.#options.pool.open(manifest, bundle, onResults)), manifest }
      }
      case 'pass':
        return shared(createPassRunner(onResults))
      case 'http': {
        const { http } = this.#options
        return shared(http.open({ ...subscriber, name: subscriber.url }, onResults))
      }
      case 'transform': {
        const { manifest, bundle } = await transformFunction(subscriber)
        return shared(await this.#options.pool.open(manifest, bundle, onResults))
      }
    }
  }

  #functionOf(name: string): LoadedFunction {
    const found = this.#options.functions.find(({ manifest }) => manifest.name === name)
    if (found === undefined) throw new Error(`there is no function ${name} in the build`)
    return found
  }
}
