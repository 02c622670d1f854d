/**
 * CloudEvents over HTTP: `POST /{namespace}/{broker}`, as Knative's broker ingress takes them
 * (knative/specs, data plane, "Event ingress"), or `POST /` at a channel's host; binary, structured and batched.
 *
 * 202 says that every event of the request is durable. Any other answer says that none was promised:
 * after 503 some may be in the log all the same (a batch of which a part failed, an answer of the log
 * that was lost), so a sender that sends again may cause duplicates with equal source and id. That is
 * at least once.
 */
import { METHODS } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AppendRecord, AppendResult } from '../contract/broker.ts'
import type { Logger } from '../contract/log.ts'
import type { IngressMetrics } from '../contract/metrics.ts'
import { answerAppendFailure, refuse } from './answers.ts'
import { AppendQueue } from './append-queue.ts'
import { readBody, type Body } from './body.ts'
import { ByteBudget } from './byte-budget.ts'
import { decodeRequest, type DecodedRequest, type EventCheck } from './decode-request.ts'
import { admit, type Admitted } from './gate.ts'
import { createApp, listen } from './http-app.ts'

export interface IngressOptions {
  /** Resolves when the fate of each record is known; never rejects. */
  append(records: AppendRecord[]): Promise<AppendResult[]>
  /** The topic of a broker, or undefined: 404. */
  topicOf(namespace: string, broker: string): string | undefined
  /** `namespace/name` of each broker, for the message of a 404. */
  brokers(): readonly string[]
  /** Why the log does not answer, if so: 503. */
  trouble(): string | undefined
  /** Largest record of one event, in bytes of key, value and headers: 413 above it. */
  maxEventBytes: number
  /** Bytes of unanswered requests that are held at most: 429 above it. */
  maxBufferBytes: number
  /** Throws for an event that is not to be taken: 400. Default: none is asked about. */
  checkEvent?: EventCheck | undefined
  log: Logger
  metrics?: IngressMetrics
}

export interface Ingress {
  /** Port 0 takes a free one. Rejects with `FN_HTTP_LISTEN`. */
  listen(at: { host: string; port: number }): Promise<{ address: string; port: number }>
  /** Refuses new requests with 503 and resolves when those accepted are answered. */
  drain(): Promise<void>
  /** Drains for 10 s at most, then closes every connection. Idempotent. */
  close(): Promise<void>
}

const DRAIN_TIMEOUT_MS = 10_000
/** For answers on their way when the drain is over. */
const CLOSE_GRACE_MS = 1_000

declare module 'fastify' {
  interface FastifyRequest {
    /** Set while the ingress owes this request an answer. */
    admitted: Admitted | null
  }
}

export async function createIngress(options: IngressOptions): Promise<Ingress> {
  const state = newState(options)
  const app = createApp(options)
  addLifecycle(app, options, state)
  addRoute(app, options, state)
  options.metrics?.bufferedBytes(() => state.budget.usedBytes)
  await app.ready()

  let closed: Promise<void> | undefined
  return {
    listen: (at) => listen(app, at),
    drain: () => drain(state),
    close: () => (closed ??= close(app, state)),
  }
}

interface State {
  readonly budget: ByteBudget
  readonly queue: AppendQueue
  draining: boolean
  /** Requests past the gate that are not answered. */
  openRequests: number
  whenNoneOpen: Array<() => void>
}

function newState(options: IngressOptions): State {
  return {
    budget: new ByteBudget(options.maxBufferBytes),
    queue: new AppendQueue({
      append: (records) => options.append(records),
      onAppend: (seconds) => options.metrics?.append(seconds),
      onFailed: (err, requests) => {
        options.log.warn({ err, requests }, 'an append failed; these requests get no 202')
      },
    }),
    draining: false,
    openRequests: 0,
    whenNoneOpen: [],
  }
}

function addLifecycle(app: FastifyInstance, options: IngressOptions, state: State): void {
  app.decorateRequest('admitted', null)
  const gate = { ...options, budget: state.budget, draining: () => state.draining }

  app.addHook('onRequest', (request, reply, done) => {
    const admitted = admit(request, reply, gate)
    if (admitted === undefined) return
    request.admitted = admitted
    state.openRequests++
    done()
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    // A sender that broke off sees no answer.
    if (!request.raw.socket.destroyed) options.metrics?.request(reply.statusCode)
    if (state.draining) void reply.header('connection', 'close')
    if (request.admitted !== null) {
      request.admitted = null
      requestAnswered(state)
    }
    done(null, payload)
  })

  // Whatever the content type says, the body stays as it came. (A pattern, because fastify caches which
  // parser a type has only for patterns; '*' is looked up anew for each request.)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(/^/, (request, stream, done) => {
    const maxBytes = request.admitted?.maxBodyBytes ?? 0
    readBody(stream, { maxBytes, budget: state.budget }, (body) => {
      done(null, body)
    })
  })
}

function requestAnswered(state: State): void {
  state.openRequests--
  if (state.openRequests > 0) return
  for (const resolve of state.whenNoneOpen.splice(0)) resolve()
}

const NO_BODY: Body = { bytes: Buffer.alloc(0) }

function addRoute(app: FastifyInstance, options: IngressOptions, state: State): void {
  const take = (request: FastifyRequest, reply: FastifyReply): void => {
    const body = (request.body as Body | undefined) ?? NO_BODY
    if ('refused' in body) {
      refuse(reply, body.refused)
      return
    }
    let heldBytes = body.bytes.length
    let decoded: DecodedRequest
    try {
      // Raw headers: only there can one see an attribute that was sent twice.
      decoded = decodeRequest(request.raw.rawHeaders, body.bytes, {
        topic: request.admitted?.topic ?? '',
        maxEventBytes: options.maxEventBytes,
        check: options.checkEvent,
      })
    } catch (error) {
      state.budget.release(heldBytes)
      throw error
    }
    const { records, bytes } = decoded
    if (records.length === 0) {
      state.budget.release(heldBytes)
      void reply.code(202).send()
      return
    }
    state.budget.take(Math.max(bytes - heldBytes, 0))
    heldBytes = Math.max(bytes, heldBytes)
    state.queue.push(records, bytes, (error) => {
      state.budget.release(heldBytes)
      if (error === undefined) void reply.code(202).send()
      else answerAppendFailure(error, reply)
    })
  }

  // Methods that fastify does not know would get its 404 instead of our 405.
  for (const method of METHODS) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)
  }
  app.all('/:namespace/:broker', take)
  app.all('/', take)
}

function drain(state: State): Promise<void> {
  state.draining = true
  if (state.openRequests === 0) return Promise.resolve()
  return new Promise((resolve) => {
    state.whenNoneOpen.push(resolve)
  })
}

async function close(app: FastifyInstance, state: State): Promise<void> {
  await withDeadline(drain(state), DRAIN_TIMEOUT_MS)
  const force = setTimeout(() => {
    app.server.closeAllConnections()
  }, CLOSE_GRACE_MS)
  await app.close()
  clearTimeout(force)
}

async function withDeadline(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, deadline])
  clearTimeout(timer)
}
