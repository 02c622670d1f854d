/** The connections to one origin, kept open between requests. */
import { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { Dispatcher, Pool } from 'undici'

/** For the connection alone; the whole attempt has its own time. */
const CONNECT_TIMEOUT_MS = 10_000
/**
 * For servers whose answers do not say how long they keep a connection. A request that meets one which the
 * server is closing would count as a failed attempt, and some servers close after 2 s (gunicorn).
 */
const IDLE_TIMEOUT_MS = 1_000

/**
 * As many as there are requests at once. undici is loaded when the first origin is opened: it takes 100 ms
 * and 30 MB, which a runtime without HTTP subscribers need not spend.
 */
export class Connections {
  readonly #opening: Promise<void>
  readonly #sockets = new Set<Socket>()
  #pool: Pool | undefined
  #closed = false

  constructor(origin: string, tls: SecureContext | undefined) {
    this.#opening = this.#open(origin, tls)
  }

  get isOpen(): boolean {
    return this.#pool !== undefined
  }

  /** Resolves when requests can be made. */
  get opening(): Promise<void> {
    return this.#opening
  }

  /** Only once it is open. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#pool?.dispatch(options, handler)
  }

  /** Breaks off what is on its way. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#opening
    await this.#pool?.destroy()
    // undici leaves those alone that are still being made.
    for (const socket of this.#sockets) socket.destroy()
  }

  async #open(origin: string, tls: SecureContext | undefined): Promise<void> {
    const undici = await import('undici')
    if (this.#closed) return
    const connect = undici.buildConnector({
      timeout: CONNECT_TIMEOUT_MS,
      allowH2: false,
      ...(tls === undefined ? {} : { secureContext: tls }),
    })
    this.#pool = new undici.Pool(origin, {
      connect: (options, callback) => this.#keep(connect(options, callback)),
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      // One request a connection at a time, over HTTP/1.1 alone: what Knative's services all speak.
      pipelining: 1,
      allowH2: false,
      // An exchange measures its own time, from here to the last byte received.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }

  /** undici's connector gives the socket, although its types do not say so. */
  #keep(socket: unknown): void {
    if (!(socket instanceof Socket)) return
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
