/** What can be said about a request before its body is read. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { busy, tooLarge } from './body.ts'
import { refuse, type Refusal } from './answers.ts'
import type { ByteBudget } from './byte-budget.ts'
import { channelOfHost } from './channel-host.ts'

export interface GateOptions {
  topicOf(namespace: string, broker: string): string | undefined
  brokers(): readonly string[]
  trouble(): string | undefined
  draining(): boolean
  maxEventBytes: number
  maxBufferBytes: number
  budget: ByteBudget
}

/** What the gate leaves on a request that it lets pass. */
export interface Admitted {
  topic: string
  maxBodyBytes: number
}

/** A batch may be larger in sum than an event. */
const BATCH_FACTOR = 8
/** Base64 and JSON escapes make a structured event larger than its record. */
const STRUCTURED_FACTOR = 2
const MAX_BROKERS_NAMED = 20
const ALLOW = 'POST, OPTIONS'
/** Knative's control plane asks with it whether an address is served, and wants it back. */
const PROBE_HEADER = 'k-network-hash'

/** What the request is admitted to; undefined when it has been answered. */
export function admit(
  request: FastifyRequest,
  reply: FastifyReply,
  options: GateOptions,
): Admitted | undefined {
  if (options.draining()) {
    refuse(reply, { code: 'FN_INGRESS_DRAINING', message: 'this runtime is stopping; send again' })
    return undefined
  }
  const topic = topicFor(request, options)
  if (topic === undefined) {
    refuse(reply, unknownPath(options.brokers()))
    return undefined
  }
  if (request.method === 'OPTIONS') {
    answerOptions(request, reply)
    return undefined
  }
  const probe = request.headers[PROBE_HEADER]
  if (request.method === 'GET' && probe !== undefined) {
    void reply.header(PROBE_HEADER, probe).code(200).send()
    return undefined
  }
  if (request.method !== 'POST') {
    void reply.header('allow', ALLOW)
    refuse(reply, {
      code: 'FN_HTTP_METHOD_NOT_ALLOWED',
      message: `${request.method} is not taken here; send events with POST`,
    })
    return undefined
  }
  const maxBodyBytes = bodyLimit(request.headers['content-type'], options)
  const refusal = refusalOfPost(request, maxBodyBytes, options)
  if (refusal === undefined) return { topic, maxBodyBytes }
  refuse(reply, refusal)
  return undefined
}

/** By its path, or by its host where the path is `/`. */
function topicFor(request: FastifyRequest, options: GateOptions): string | undefined {
  if (request.is404) return undefined
  const { namespace, broker } = request.params as Record<string, string>
  if (namespace !== undefined && broker !== undefined) return options.topicOf(namespace, broker)
  const channel = channelOfHost(request.headers.host)
  return channel && options.topicOf(channel.namespace, channel.broker)
}

function refusalOfPost(
  { headers }: FastifyRequest,
  maxBodyBytes: number,
  options: GateOptions,
): Refusal | undefined {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return {
      code: 'FN_EVENT_UNSUPPORTED_MEDIA_TYPE',
      message: `Content-Encoding "${encoding}" is not taken; send the body as it is`,
    }
  }
  const length = Number(headers['content-length'] ?? 0)
  if (length > maxBodyBytes) return tooLarge(maxBodyBytes)
  const trouble = options.trouble()
  if (trouble !== undefined) {
    return { code: 'FN_BROKER_UNAVAILABLE', message: `the log does not answer: ${trouble}` }
  }
  return options.budget.fits(length) ? undefined : busy()
}

/** Never more than can be held at all: such a body would be refused as busy for ever. */
function bodyLimit(contentType: string | undefined, options: GateOptions): number {
  return Math.min(options.maxEventBytes * factorOf(contentType), options.maxBufferBytes)
}

function factorOf(contentType: string | undefined): number {
  if (contentType === undefined || !/^\s*application\/cloudevents/i.test(contentType)) return 1
  return /^\s*application\/cloudevents-batch/i.test(contentType) ? BATCH_FACTOR : STRUCTURED_FACTOR
}

/** CloudEvents http-webhook 4.2: the sender may ask whether it may send, and how fast. */
function answerOptions(request: FastifyRequest, reply: FastifyReply): void {
  void reply.header('allow', ALLOW)
  const origin = request.headers['webhook-request-origin']
  if (typeof origin === 'string' && origin !== '') {
    void reply.header('webhook-allowed-origin', origin).header('webhook-allowed-rate', '*')
  }
  void reply.code(200).send()
}

function unknownPath(brokers: readonly string[]): Refusal {
  const named = brokers.slice(0, MAX_BROKERS_NAMED).join(', ')
  const more = brokers.length - MAX_BROKERS_NAMED
  const known =
    brokers.length === 0 ? 'there is none' : more > 0 ? `${named} and ${more} more` : named
  return {
    code: 'FN_HTTP_NOT_FOUND',
    message: `no broker has this path; events go to /{namespace}/{broker}, and the brokers are: ${known}`,
  }
}
