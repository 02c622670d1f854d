/**
 * The admin socket: how operator commands look into a running runtime. A Unix socket of mode 0600, so
 * that the file system says who may use it.
 */
import { chmod, mkdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import fastify from 'fastify'
import type { Broker, CommittedOffset, TopicPartition } from '../contract/broker.ts'
import type { CursorState } from '../contract/cursor-state.ts'
import { isMillraceError, MillraceError } from '../errors.ts'
import { ADMIN_PATHS, batchToWire } from './protocol.ts'

export interface AdminServer {
  close(): Promise<void>
}

export interface AdminOptions {
  socket: string
  broker: Broker
  cursors(): CursorState[]
}

interface PartitionsBody {
  group?: string
  timeMs?: number
  partitions: TopicPartition[]
}

interface ReadBody extends TopicPartition {
  from: number
  maxBytes?: number
  waitMs?: number
}

/** `sun_path` of a Unix socket address on Linux, less its closing zero. */
const MAX_SOCKET_PATH_BYTES = 107
/** Longest wait of one read; a client asks again. */
const MAX_WAIT_MS = 5_000

export async function serveAdmin(options: AdminOptions): Promise<AdminServer> {
  const { broker, socket } = options
  const server = fastify({ logger: false, forceCloseConnections: true })

  server.setErrorHandler((error: unknown, _request, reply) => {
    const status = isMillraceError(error, 'FN_BROKER_OFFSET_OUT_OF_RANGE') ? 409 : 500
    const message = error instanceof Error ? error.message : String(error)
    const body = isMillraceError(error)
      ? { code: error.code, message, detail: error.detail }
      : { message }
    return reply.code(status).send({ error: body })
  })
  server.post(ADMIN_PATHS.topics, (request) =>
    broker.topics((request.body as { names?: string[] }).names),
  )
  server.post(ADMIN_PATHS.read, async (request) => {
    const { topic, partition, from, maxBytes, waitMs } = request.body as ReadBody
    const batch = await broker.read({ topic, partition }, from, {
      waitMs: Math.min(waitMs ?? 0, MAX_WAIT_MS),
      ...(maxBytes === undefined ? {} : { maxBytes }),
    })
    return batchToWire(batch)
  })
  server.post(ADMIN_PATHS.committed, (request): Promise<CommittedOffset[]> => {
    const { group, partitions } = request.body as PartitionsBody
    return broker.committed(group as string, partitions)
  })
  server.post(ADMIN_PATHS.ranges, (request) =>
    broker.ranges((request.body as PartitionsBody).partitions),
  )
  server.post(ADMIN_PATHS.offsetsAt, (request) => {
    const { partitions, timeMs } = request.body as PartitionsBody
    return broker.offsetsAt(partitions, timeMs as number)
  })
  server.post(ADMIN_PATHS.triggers, () => ({ cursors: options.cursors() }))

  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH_BYTES) {
    throw new MillraceError(
      'FN_CONFIG_INVALID',
      `the path of the admin socket has more than ${MAX_SOCKET_PATH_BYTES} bytes, which no Unix socket can have: ${socket}; ` +
        'give a shorter one with --admin-socket, for example under /tmp',
    )
  }
  await mkdir(dirname(socket), { recursive: true })
  if (await answers(socket)) {
    throw new MillraceError(
      'FN_CONFIG_INVALID',
      `another runtime already answers on ${socket}; stop it, or give this one its own folder or --admin-socket`,
    )
  }
  await rm(socket, { force: true })
  await server.listen({ path: socket })
  await chmod(socket, 0o600)
  return {
    close: async () => {
      await server.close()
      await rm(socket, { force: true })
    },
  }
}

/** True when a living process listens; a socket file may be left over from one that was killed. */
function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const client = connect(socket)
    client.once('connect', () => {
      client.destroy()
      resolve(true)
    })
    client.once('error', () => resolve(false))
  })
}
