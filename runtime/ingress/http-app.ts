/** fastify as the ingress needs it: bounded in time and headers, and refusing in one form. */
import fastify, { type FastifyInstance } from 'fastify'
import type { Logger } from '../contract/log.ts'
import type { IngressMetrics } from '../contract/metrics.ts'
import { MillraceError } from '../errors.ts'
import { answerError, refuse } from './answers.ts'
import { answerClientError } from './client-error.ts'

/** An event of 64 KiB must pass (CloudEvents core, "Size Limits"), even if all of it is attributes. */
const MAX_HEADER_BYTES = 128 * 1024
/** Slow senders hold a socket and what they have sent. */
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
const TIMEOUT_CHECK_INTERVAL_MS = 5_000
/** Longer than the 60 s of common load balancers, so that they end an idle connection, not we. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000

export interface AppOptions {
  log: Logger
  metrics?: IngressMetrics
}

export function createApp({ log, metrics }: AppOptions): FastifyInstance {
  const app = fastify({
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
    },
    // Ours, with Retry-After and a reason.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_HEADER_BYTES },
    frameworkErrors: (error, _request, reply) => {
      refuse(reply, { code: 'FN_HTTP_MALFORMED', message: error.message })
      metrics?.request(reply.statusCode)
    },
    clientErrorHandler: (error, socket) => {
      const status = answerClientError(error, socket)
      if (status !== undefined) metrics?.request(status)
    },
  })
  // By default Node drops headers beyond the 2,000th: the event would lose attributes in silence.
  app.server.maxHeadersCount = 0
  app.setErrorHandler((error, request, reply) => {
    answerError(error, reply, (err) => {
      log.error({ err, method: request.method, path: request.url }, 'the ingress could not answer')
    })
  })
  return app
}

export async function listen(
  app: FastifyInstance,
  at: { host: string; port: number },
): Promise<{ address: string; port: number }> {
  try {
    await app.listen(at)
  } catch (cause) {
    throw new MillraceError(
      'FN_HTTP_LISTEN',
      `the ingress cannot listen on ${at.host}:${at.port} (${String(cause)}); stop what uses the port or choose another with --port (0 = a free one)`,
      { cause },
    )
  }
  const bound = app.server.address()
  if (bound === null || typeof bound === 'string') {
    throw new MillraceError('FN_HTTP_LISTEN', 'the ingress was closed while it started')
  }
  return { address: bound.address, port: bound.port }
}
