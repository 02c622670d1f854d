/**
 * The few requests that the controller makes to a Kubernetes API server. Addresses, certificates and
 * tokens are the client library's matter. Its `Watch` and informers are not used: they swallow what a
 * callback throws, end quietly, and give up a watch on which nothing happens every 30 s.
 */
import { request, type IncomingMessage } from 'node:http'
import { request as requestSecurely, type RequestOptions } from 'node:https'
import { createInterface } from 'node:readline'
import { text as readAll } from 'node:stream/consumers'
import { KubeConfig } from '@kubernetes/client-node'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import { MillraceError } from '../../runtime/errors.ts'

export interface Answer {
  status: number
  /** A parsed JSON object; empty where the server sent none. */
  body: Record<string, unknown>
}

export interface Question {
  /** A JSON body. */
  body?: unknown
  signal?: AbortSignal
}

export interface StreamOptions {
  /** The stream ends with an error when no line comes for so long. */
  idleMs: number
  signal: AbortSignal
}

/** The API server answers a list in less, or not at all. */
const ANSWER_DEADLINE_MS = 30_000
/** A connection whose other end is gone without a word is found after about 20 s. */
const KEEP_ALIVE_MS = 10_000
/** What the library assumes when it finds no configuration at all. */
const NO_CONFIG = 'http://localhost:8080'

export class ApiServer {
  readonly #config: KubeConfig

  /**
   * `file` is a kubeconfig; without one it is found as kubectl does: `KUBECONFIG`, `~/.kube/config`, or
   * the service account of the pod. Throws `FN_CLUSTER_CONFIG`.
   */
  constructor(file?: string) {
    this.#config = new KubeConfig()
    try {
      if (file === undefined) this.#config.loadFromDefault()
      else this.#config.loadFromFile(file)
    } catch (cause) {
      throw noCluster(`the kubeconfig cannot be read: ${(cause as Error).message}`, cause)
    }
    const server = this.#config.getCurrentCluster()?.server
    if (server === undefined) throw noCluster('the kubeconfig has no current context')
    if (file === undefined && server === NO_CONFIG) throw noCluster('there is no kubeconfig')
  }

  /** Rejects only when there is no answer; every status is one. */
  async ask(method: string, path: string, question: Question = {}): Promise<Answer> {
    const deadline = AbortSignal.timeout(ANSWER_DEADLINE_MS)
    const signal = question.signal ? AbortSignal.any([question.signal, deadline]) : deadline
    const response = await this.#send(method, path, { ...question, signal })
    return { status: response.statusCode ?? 0, body: parsed(await readAll(response)) }
  }

  /** The lines of an answer as they come. One that is not 200 rejects with `RefusedError`. */
  async *lines(path: string, { idleMs, signal }: StreamOptions): AsyncGenerator<string> {
    const response = await this.#begun(path, { idleMs, signal })
    if (response.statusCode !== 200) {
      throw new RefusedError(response.statusCode ?? 0, parsed(await readAll(response)))
    }
    // Not the socket's own timeout: the socket is used again, and would keep every listener.
    const idle = setTimeout(() => {
      response.destroy(new Error(`nothing came for ${idleMs / 1_000} s`))
    }, idleMs).unref()
    let failure: Error | undefined
    // readline ends quietly when its input fails.
    response.on('error', (error) => (failure = error))
    try {
      for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
        idle.refresh()
        yield line
      }
      if (failure !== undefined) throw failure
    } finally {
      clearTimeout(idle)
      response.destroy()
    }
  }

  /** An answer that begins within the time; its lines may then take as long as they like. */
  async #begun(path: string, { idleMs, signal }: StreamOptions): Promise<IncomingMessage> {
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), idleMs).unref()
    try {
      return await this.#send('GET', path, { signal: AbortSignal.any([signal, late.signal]) })
    } catch (error) {
      if (!late.signal.aborted) throw error
      throw new Error(`no answer came for ${idleMs / 1_000} s`, { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }

  async #send(method: string, path: string, { body, signal }: Question): Promise<IncomingMessage> {
    const options: RequestOptions = { method, headers: { accept: 'application/json' } }
    await this.#config.applyToHTTPSOptions(options)
    const payload = body === undefined ? undefined : JSON.stringify(body)
    if (payload !== undefined) {
      options.headers = {
        ...(options.headers as Record<string, string>),
        'content-type': 'application/json',
      }
    }
    const url = new URL(`${this.#config.getCurrentCluster()?.server ?? ''}${path}`)
    const send = url.protocol === 'http:' ? request : requestSecurely
    return new Promise((resolve, reject) => {
      const sent = send(url, { ...options, ...(signal ? { signal } : {}) }, resolve)
      sent.once('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS))
      sent.once('error', reject)
      sent.end(payload)
    })
  }
}

/** An answer with another status than was asked for. */
export class RefusedError extends Error {
  readonly status: number

  constructor(status: number, body: Record<string, unknown>) {
    const reason = typeof body['message'] === 'string' ? body['message'] : 'no reason given'
    super(`the API server answered ${status}: ${reason}`)
    this.status = status
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : {}
  } catch {
    return { message: text.slice(0, 500) } // such as a proxy's error page
  }
}

function noCluster(what: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'FN_CLUSTER_CONFIG',
    `${what}; the controller role needs a cluster: run it in a pod with a service account, or set kubeconfig or KUBECONFIG`,
    { cause },
  )
}
