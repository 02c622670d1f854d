/** Connections to brokers, by lane: a slow request in one lane never holds up another lane. */
import { Connection, ResponseError, type API, type ConnectionOptions } from '@platformatic/kafka'
import { Transient, closed } from './transient.ts'

export interface Address {
  host: string
  port: number
}

export type Security = Pick<ConnectionOptions, 'tls' | 'tlsServerName' | 'sasl'>

export interface ConnectionsOptions {
  clientId: string
  security: Security
  /** A broker answered. */
  onAnswer(): void
  /** A broker closed a connection, or could not be reached. */
  onLoss(error: unknown): void
}

const CONNECT_TIMEOUT_MS = 5_000
export const REQUEST_TIMEOUT_MS = 10_000
const CLOSE_TIMEOUT_MS = 1_000

export class Connections {
  readonly #options: ConnectionsOptions
  readonly #open = new Map<string, Promise<Connection>>()
  #closed = false

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  /**
   * Sends one request and resolves with the response, also when it carries error codes. Throws
   * `Transient` when there was no answer.
   */
  async call<Args extends unknown[], Response>(
    lane: Lane,
    address: Address,
    api: API<Args, Response>,
    ...args: Args
  ): Promise<Response> {
    const connection = await this.#connection(lane, address)
    try {
      const response = await api.async(connection, ...args)
      this.#options.onAnswer()
      return response
    } catch (error) {
      if (error instanceof ResponseError) {
        this.#options.onAnswer()
        return (error as ResponseError & { response: Response }).response
      }
      this.#options.onLoss(error)
      throw new Transient(
        `Kafka at ${address.host}:${address.port} did not answer: ${why(error)}`,
        {
          cause: error,
        },
      )
    }
  }

  /** Closes the lane's connections; what waits for an answer there fails. */
  async closeLane(lane: Lane): Promise<void> {
    const keys = [...this.#open.keys()].filter((key) => key.startsWith(`${lane.name}/`))
    const all = keys.map(async (key) => {
      const opening = this.#open.get(key)
      this.#open.delete(key)
      await opening?.then(closeConnection, () => {})
    })
    await Promise.all(all)
  }

  /** Idempotent; at most about a second. */
  async close(): Promise<void> {
    this.#closed = true
    const all = [...this.#open.values()]
    this.#open.clear()
    await Promise.all(all.map((opening) => opening.then(closeConnection, () => {})))
  }

  #connection(lane: Lane, address: Address): Promise<Connection> {
    if (this.#closed) return Promise.reject(closed())
    const key = `${lane.name}/${address.host}:${address.port}`
    const known = this.#open.get(key)
    if (known) return known
    const opening = this.#connect(key, lane, address)
    this.#open.set(key, opening)
    return opening
  }

  async #connect(key: string, lane: Lane, address: Address): Promise<Connection> {
    const connection = new Connection(this.#options.clientId, {
      connectTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: lane.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      ...this.#options.security,
    })
    const forget = (): void => {
      this.#open.delete(key)
    }
    // Errors come to whoever waits for an answer; the listener keeps them from being thrown as well.
    connection.on('error', forget)
    connection.on('close', () => {
      forget()
      if (!this.#closed) this.#options.onLoss(new Error('connection closed'))
    })
    try {
      await connection.connect(address.host, address.port)
      return connection
    } catch (error) {
      forget()
      this.#options.onLoss(error)
      throw new Transient(
        `Kafka at ${address.host}:${address.port} is not reached: ${why(error)}`,
        {
          cause: error,
        },
      )
    }
  }
}

export interface Lane {
  name: string
  requestTimeoutMs?: number
}

/** The innermost reason, such as `connect ECONNREFUSED 127.0.0.1:9092`. */
export function why(error: unknown): string {
  let innermost = error
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause
  return innermost instanceof Error ? innermost.message : String(innermost)
}

async function closeConnection(connection: Connection): Promise<void> {
  const timer = setTimeout(() => connection.socket.destroy(), CLOSE_TIMEOUT_MS)
  await connection.close()
  clearTimeout(timer)
}
