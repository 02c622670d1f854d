/** The HTTP subscribers of one runtime, and the connections that they share. */
import type { SecureContext } from 'node:tls'
import type { OpenRunner, ResultListener } from '../../contract/work.ts'
import { within } from '../../within.ts'
import { parseAddress, trusting } from './address.ts'
import { Connections } from './connections.ts'
import type { DeliveryFormat } from './request.ts'
import { HttpRunner } from './runner.ts'

export interface HttpSubscribersOptions {
  /** Largest data of one reply, in bytes; a larger one fails with `FN_HANDLER_REPLY_TOO_LARGE`. */
  maxReplyBytes: number
}

export interface HttpSubscriber {
  /** For messages: `namespace/name` of the service or the trigger. */
  name: string
  /** http or https; redirects are not followed. */
  url: string
  /** Mode of the requests, Knative's `delivery.format`. Default: `binary`. */
  format?: DeliveryFormat
  /** PEM of authorities to trust besides those that Node trusts, Knative's `CACerts`. */
  caCerts?: string
}

export interface HttpSubscribers {
  /**
   * Throws `FN_CONFIG_INVALID` for an address that cannot be sent to, and for broken certificates. The
   * connections to an origin are closed with the last of its runners.
   */
  open(subscriber: HttpSubscriber, onResults: ResultListener): OpenRunner
  /**
   * Lets nothing new start, gives what runs `graceMs` to end, breaks the rest off and gives it back, and
   * closes the connections. When it resolves, every item has its result. Idempotent.
   */
  close(graceMs: number): Promise<void>
}

export function createHttpSubscribers(options: HttpSubscribersOptions): HttpSubscribers {
  return new Subscribers(options)
}

interface Origin {
  connections: Connections
  caCerts: string | undefined
  runners: Set<HttpRunner>
}

class Subscribers implements HttpSubscribers {
  readonly #options: HttpSubscribersOptions
  /** By origin and trusted certificates. */
  readonly #origins = new Map<string, Origin>()
  /** By PEM. */
  readonly #trusting = new Map<string, SecureContext>()
  #closing: Promise<void> | undefined

  constructor(options: HttpSubscribersOptions) {
    this.#options = options
  }

  open(subscriber: HttpSubscriber, onResults: ResultListener): OpenRunner {
    const { name, url, format = 'binary', caCerts } = subscriber
    const address = parseAddress(url, name)
    const origin = this.#originOf(address.origin, name, caCerts)
    const runner: HttpRunner = new HttpRunner({
      name,
      address,
      format,
      connections: origin.connections,
      maxReplyBytes: this.#options.maxReplyBytes,
      onResults,
      left: () => this.#leave(origin, runner),
    })
    origin.runners.add(runner)
    if (this.#closing !== undefined) void runner.stopStarting()
    return runner
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    const origins = [...this.#origins.values()]
    const runners = origins.flatMap((origin) => [...origin.runners])
    const idle = Promise.all(runners.map((runner) => runner.stopStarting()))
    await within(
      graceMs,
      idle.then(() => undefined),
    )
    for (const runner of runners) runner.abandon()
    await idle
    await Promise.all(origins.map(({ connections }) => connections.close()))
  }

  #originOf(origin: string, name: string, caCerts: string | undefined): Origin {
    const key = `${origin} ${caCerts ?? ''}`
    const known = this.#origins.get(key)
    if (known !== undefined) return known
    const tls = caCerts === undefined ? undefined : this.#trust(caCerts, name)
    const fresh = {
      connections: new Connections(origin, tls),
      caCerts,
      runners: new Set<HttpRunner>(),
    }
    this.#origins.set(key, fresh)
    return fresh
  }

  async #leave(origin: Origin, runner: HttpRunner): Promise<void> {
    origin.runners.delete(runner)
    if (origin.runners.size > 0) return
    // At once: whoever opens this origin from now on gets other connections.
    const { caCerts, connections } = origin
    for (const [key, one] of this.#origins) if (one === origin) this.#origins.delete(key)
    const isTrusted = [...this.#origins.values()].some((one) => one.caCerts === caCerts)
    if (caCerts !== undefined && !isTrusted) this.#trusting.delete(caCerts)
    await connections.close()
  }

  #trust(caCerts: string, name: string): SecureContext {
    const known = this.#trusting.get(caCerts)
    if (known !== undefined) return known
    const context = trusting(caCerts, name)
    this.#trusting.set(caCerts, context)
    return context
  }
}
