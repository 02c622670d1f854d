/** One request and what comes back, within its time and bounds. */
import type { Dispatcher } from 'undici'
import { contentModeOf } from '../../codec/media-type.ts'

/** How a request ended. */
export type Answer =
  | Response
  /** Not answered whole in time. `connected`: the request was sent. */
  | { kind: 'timeout'; connected: boolean }
  /** No connection, or it broke. `status`: the answer had begun. */
  | { kind: 'broken'; error: Error; status?: number }
  /** A success whose body is larger than a reply may be. */
  | { kind: 'tooLarge'; status: number; limit: number }

export interface Response {
  kind: 'response'
  status: number
  /** The reason phrase as it was sent. */
  reason: string
  /** Name, value, …; one character a byte. */
  headers: readonly string[]
  /** Of a status that is no success, the first 1,024 bytes. */
  body: Buffer
}

export interface ExchangeOptions {
  timeoutMs: number
  /** Largest data of a reply. */
  maxReplyBytes: number
  /** Called exactly once. */
  answered: (answer: Answer) => void
  /** Called exactly once, with or after `answered`: nothing of the request is left. */
  released: () => void
}

/** Knative cuts the body of an error to this. */
const MAX_ERROR_BODY_BYTES = 1_024
/** A longer error body costs its connection instead of the time to read it. */
const MAX_DRAINED_BYTES = 64 * 1024
/** The attributes beside the data of an event in structured mode. */
const MAX_ENVELOPE_BYTES = 64 * 1024
const MAX_TIMER_MS = 2 ** 31 - 1

export class Exchange implements Dispatcher.DispatchHandler {
  readonly #options: ExchangeOptions
  readonly #timer: NodeJS.Timeout
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #reason = ''
  #headers: readonly string[] = []
  #chunks: Buffer[] = []
  #bytes = 0
  #limit = 0
  #isAnswered = false
  #isReleased = false

  /** The time begins. */
  constructor(options: ExchangeOptions) {
    this.#options = options
    this.#timer = setTimeout(() => this.#timedOut(), Math.min(options.timeoutMs, MAX_TIMER_MS))
  }

  /** Ends it; nobody waits for the answer any more. */
  abandon(): void {
    this.#isAnswered = true
    this.#abort()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Its time had passed before there was a connection.
    if (this.#isAnswered) this.#abort()
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    reason = '',
  ): void {
    // Interim answers announce the final one.
    if (status < 200) return
    this.#status = status
    this.#reason = reason
    this.#headers = rawTexts(controller.rawHeaders)
    this.#limit = this.#isSuccess ? this.#replyLimit() : MAX_ERROR_BODY_BYTES
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = this.#limit - this.#bytes
    this.#bytes += chunk.length
    if (this.#isSuccess) return this.#keepReply(chunk)
    if (room > 0) this.#chunks.push(chunk.subarray(0, room))
    if (this.#bytes >= this.#limit) this.#respond()
    if (this.#bytes > MAX_DRAINED_BYTES) this.#abort()
  }

  onResponseEnd(): void {
    this.#respond()
    this.#release()
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    // What a failed subscriber has said counts, also where the connection broke in the middle of it.
    if (this.#status !== 0 && !this.#isSuccess) this.#respond()
    else this.#answer(broken(error, this.#status))
    this.#release()
  }

  get #isSuccess(): boolean {
    return this.#status >= 200 && this.#status < 300
  }

  /** In structured mode data may be base64, a third longer, with attributes around it. */
  #replyLimit(): number {
    const { maxReplyBytes } = this.#options
    const contentType = headerOf(this.#headers, 'content-type')
    if (contentModeOf(contentType) === 'binary') return maxReplyBytes
    return Math.ceil((maxReplyBytes * 4) / 3) + MAX_ENVELOPE_BYTES
  }

  #keepReply(chunk: Buffer): void {
    if (this.#isAnswered) return
    this.#chunks.push(chunk)
    if (this.#bytes <= this.#limit) return
    this.#chunks = []
    this.#answer({ kind: 'tooLarge', status: this.#status, limit: this.#limit })
    this.#abort()
  }

  #timedOut(): void {
    if (this.#status !== 0 && !this.#isSuccess) this.#respond()
    else this.#answer({ kind: 'timeout', connected: this.#controller !== undefined })
    this.#abort()
  }

  #respond(): void {
    const [only] = this.#chunks
    this.#answer({
      kind: 'response',
      status: this.#status,
      reason: this.#reason,
      headers: this.#headers,
      body: only !== undefined && this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks),
    })
  }

  #answer(answer: Answer): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    this.#options.answered(answer)
    this.#chunks = []
  }

  #abort(): void {
    this.#controller?.abort(new Error('abandoned'))
  }

  #release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    clearTimeout(this.#timer)
    this.#options.released()
  }
}

/** The first one of this name, which is in lower case. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const header = headers[i] as string
    if (header.length === name.length && header.toLowerCase() === name) return headers[i + 1]
  }
  return undefined
}

/** undici's own reading decodes values as UTF-8, after which a byte that is none cannot be told. */
function rawTexts(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((text) => (typeof text === 'string' ? text : text.toString('latin1')))
}

function broken(error: Error, status: number): Answer {
  return status === 0 ? { kind: 'broken', error } : { kind: 'broken', error, status }
}
