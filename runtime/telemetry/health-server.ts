/**
 * `/metrics`, `/healthz` and `/readyz`, on a port of their own so that they are never public by accident.
 */
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import type { Logger } from '../contract/log.ts'
import { MillraceError, type ErrorCode } from '../errors.ts'
import type { Metrics } from './metrics.ts'

export interface Readiness {
  ready: boolean
  /** Why not, one short sentence each. */
  reasons: string[]
  /** The process walls that are up. */
  walls: string[]
}

export interface HealthServerOptions {
  metrics: Pick<Metrics, 'render' | 'contentType'>
  /** Asked at each `/readyz`; answers from memory. */
  readiness(): Readiness
  log: Logger
}

export interface HealthServer {
  /** Port 0 takes a free one. Rejects with `FN_HTTP_LISTEN`. */
  listen(at: { host: string; port: number }): Promise<{ address: string; port: number }>
  /** Idempotent. */
  close(): Promise<void>
}

/** A scrape or probe is one small request. */
const REQUEST_TIMEOUT_MS = 10_000

export function createHealthServer(options: HealthServerOptions): HealthServer {
  const app = fastify({
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Scrapers keep connections open and would hold up the end of the process.
    forceCloseConnections: true,
    frameworkErrors: (error, _request, reply) => {
      void refuse(reply, 400, 'FN_HTTP_MALFORMED', error.message)
    },
  })
  addRoutes(app, options)
  addRefusals(app, options.log)
  return {
    listen: (at) => listen(app, at),
    close: () => app.close(),
  }
}

const PATHS = ['/metrics', '/healthz', '/readyz']

function addRoutes(app: FastifyInstance, options: HealthServerOptions): void {
  app.get('/metrics', async (_request, reply) => {
    const text = await options.metrics.render()
    return reply.type(options.metrics.contentType).send(text)
  })
  app.get('/healthz', (_request, reply) => reply.send({ alive: true }))
  app.get('/readyz', (_request, reply) => {
    const { ready, reasons, walls } = options.readiness()
    return reply.code(ready ? 200 : 503).send({ ready, reasons, walls })
  })
}

function addRefusals(app: FastifyInstance, log: Logger): void {
  // Before a body is looked at: none of these paths takes one.
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) {
      done()
      return
    }
    const path = request.url.split('?', 1)[0] ?? ''
    if (PATHS.includes(path)) {
      void reply.header('allow', 'GET, HEAD')
      void refuse(reply, 405, 'FN_HTTP_METHOD_NOT_ALLOWED', `${path} takes GET and HEAD only`)
    } else {
      void refuse(reply, 404, 'FN_HTTP_NOT_FOUND', `nothing here; there are ${PATHS.join(', ')}`)
    }
  })
  app.setErrorHandler((err, request, reply) => {
    log.error({ err, path: request.url }, 'the health server could not answer')
    return refuse(
      reply,
      500,
      'FN_HTTP_INTERNAL',
      'could not answer; the log of the runtime says why',
    )
  })
}

function refuse(
  reply: FastifyReply,
  status: number,
  code: ErrorCode,
  message: string,
): FastifyReply {
  return reply.code(status).send({ error: { code, message } })
}

async function listen(
  app: FastifyInstance,
  at: { host: string; port: number },
): Promise<{ address: string; port: number }> {
  try {
    await app.listen(at)
  } catch (cause) {
    throw new MillraceError(
      'FN_HTTP_LISTEN',
      `metrics and health cannot listen on ${at.host}:${at.port} (${String(cause)}); stop what uses the port or choose another with --metrics-port (0 = a free one)`,
      { cause },
    )
  }
  const bound = app.server.address()
  if (bound === null || typeof bound === 'string') {
    throw new MillraceError('FN_HTTP_LISTEN', 'the health server was closed while it started')
  }
  return { address: bound.address, port: bound.port }
}
