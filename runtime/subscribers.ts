/** Who handles events: one runner for each function, address or transformation, shared by its triggers. */
import type { FunctionManifest } from './contract/manifest.ts'
import type { Subscriber } from './contract/subscriber.ts'
import type {
  FunctionBundle,
  IsolatePool,
  OpenRunner,
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

/** A runner that several triggers share, as one of them has it. */
export interface OpenSubscriber {
  /** Of a function. */
  manifest?: FunctionManifest
  /** The runner as one trigger uses it: results of what it submits go to `listener` alone. */
  share: (listener: ResultListener) => SubscriberRunner
  /** The runner closes with the last that is released, once nothing is in flight. Idempotent. */
  release: () => void
}

interface Opened {
  runner: OpenRunner
  manifest?: FunctionManifest
}

/** One that is open, or about to be, or could not be opened. */
interface Known {
  shares: SharedRunner
  opening: Promise<Opened>
  opened: Opened | undefined
  failed: boolean
  users: number
}

export class Subscribers {
  readonly #options: SubscribersOptions
  readonly #known = new Map<string, Known>()

  constructor(options: SubscribersOptions) {
    this.#options = options
  }

  /** How many are open. */
  get size(): number {
    return this.#known.size
  }

  /**
   * Rejects when it cannot be opened, such as a function that does not load; each call says so, until
   * `forgetFailed`.
   */
  async open(subscriber: Subscriber): Promise<OpenSubscriber> {
    const key = JSON.stringify(subscriber)
    const known = this.#known.get(key) ?? this.#start(key, subscriber)
    known.users++
    let isReleased = false
    const release = (): void => {
      if (isReleased) return
      isReleased = true
      known.users--
      this.#closeUnused(key, known)
    }
    try {
      const { runner, manifest } = await known.opening
      const share: OpenSubscriber['share'] = (listener) => known.shares.share(runner, listener)
      return { share, release, ...(manifest === undefined ? {} : { manifest }) }
    } catch (error) {
      release()
      throw error
    }
  }

  /**
   * Those that could not be opened are tried anew. Not at each `open`: a thousand triggers of a function
   * whose module never ends would take a second each, and a worker.
   */
  forgetFailed(): void {
    for (const [key, { failed }] of this.#known) if (failed) this.#known.delete(key)
  }

  #start(key: string, subscriber: Subscriber): Known {
    const shares = new SharedRunner(() => this.#closeUnused(key, known))
    const opening = this.#open(subscriber, (results) => shares.give(results))
    const known: Known = { shares, opening, opened: undefined, failed: false, users: 0 }
    this.#known.set(key, known)
    opening.then(
      (opened) => (known.opened = opened),
      () => (known.failed = true), // whoever opens it is told
    )
    return known
  }

  /** Until then it can be opened again as it is. */
  #closeUnused(key: string, known: Known): void {
    if (known.opened === undefined || known.users > 0 || known.shares.size > 0) return
    if (this.#known.get(key) === known) this.#known.delete(key)
    void known.opened.runner.close()
  }

  async #open(subscriber: Subscriber, onResults: ResultListener): Promise<Opened> {
    const { pool, http } = this.#options
    switch (subscriber.kind) {
      case 'function': {
        const { manifest, bundle } = this.#functionOf(subscriber.name)
        return { runner: await pool.open(manifest, bundle, onResults), manifest }
      }
      case 'pass':
        return { runner: createPassRunner(onResults) }
      case 'http':
        return { runner: http.open({ ...subscriber, name: subscriber.url }, onResults) }
      case 'transform': {
        const { manifest, bundle } = await transformFunction(subscriber)
        return { runner: await pool.open(manifest, bundle, onResults) }
      }
    }
  }

  #functionOf(name: string): LoadedFunction {
    const found = this.#options.functions.find(({ manifest }) => manifest.name === name)
    if (found === undefined) throw new Error(`there is no function ${name} in the build`)
    return found
  }
}
