/** The HTTP subscribers of one runtime, and the connections that they share. */
import type { SecureContext } from 'node:tls'
import type { ResultListener, SubscriberRunner } from '../../contract/work.ts'
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
  /** Throws `FN_CONFIG_INVALID` for an address that cannot be sent to, and for broken certificates. */
  open(subscriber: HttpSubscriber, onResults: ResultListener): SubscriberRunner
  /**
   * Lets nothing new start, gives what runs `graceMs` to end, breaks the rest off and gives it back, and
   * closes the connections. When it resolves, every item has its result. Idempotent.
   */
  close(graceMs: number): Promise<void>
}

export function createHttpSubscribers(options: HttpSubscribersOptions): HttpSubscribers {
  return new Subscribers(options)
}

class Subscribers implements HttpSubscribers {
  readonly #options: HttpSubscribersOptions
  readonly #runners: HttpRunner[] = []
  /** By origin and trusted certificates. */
  readonly #connections = new Map<string, Connections>()
  /** By PEM. */
  readonly #trusting = new Map<string, SecureContext>()
  #closing: Promise<void> | undefined

  constructor(options: HttpSubscribersOptions) {
    this.#options = options
  }

  open(subscriber: HttpSubscriber, onResults: ResultListener): SubscriberRunner {
    const { name, url, format = 'binary', caCerts } = subscriber
    const address = parseAddress(url, name)
    const runner = new HttpRunner({
      name,
      address,
      format,
      connections: this.#connectionsTo(address.origin, name, caCerts),
      maxReplyBytes: this.#options.maxReplyBytes,
      onResults,
    })
    this.#runners.push(runner)
    if (this.#closing !== undefined) void runner.stopStarting()
    return runner
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    const idle = Promise.all(this.#runners.map((runner) => runner.stopStarting()))
    await within(
      graceMs,
      idle.then(() => undefined),
    )
    for (const runner of this.#runners) runner.abandon()
    await idle
    await Promise.all([...this.#connections.values()].map((one) => one.close()))
  }

  #connectionsTo(origin: string, name: string, caCerts: string | undefined): Connections {
    const key = `${origin} ${caCerts ?? ''}`
    const known = this.#connections.get(key)
    if (known !== undefined) return known
    const tls = caCerts === undefined ? undefined : this.#trust(caCerts, name)
    const connections = new Connections(origin, tls)
    this.#connections.set(key, connections)
    return connections
  }

  #trust(caCerts: string, name: string): SecureContext {
    const known = this.#trusting.get(caCerts)
    if (known !== undefined) return known
    const context = trusting(caCerts, name)
    this.#trusting.set(caCerts, context)
    return context
  }
}
