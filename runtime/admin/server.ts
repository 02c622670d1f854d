/**
 * The admin socket: how operator commands look into a running runtime. A Unix socket of mode 0600, so
 * that the file system says who may use it.
 */
import { chmod, mkdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import fastify, { type FastifyInstance } from 'fastify'
import type { Broker, CommittedOffset, TopicPartition } from '../contract/broker.ts'
import type { CursorState } from '../contract/cursor-state.ts'
import type { DeliveryTrace } from '../contract/history.ts'
import type { LogWriter } from '../contract/log-access.ts'
import { EMPTY_TOPOLOGY, type Topology } from '../contract/topology.ts'
import { isMillraceError, MillraceError } from '../errors.ts'
import { brokerWriter } from './broker-writer.ts'
import {
  ADMIN_PATHS,
  appendFromWire,
  batchToWire,
  errorToWire,
  resultToWire,
  type AppendBody,
  type CommitBody,
  type DeliveriesAnswer,
  type DeliveryQuery,
  type EnsureTopicBody,
  type TransactBody,
} from './protocol.ts'

export interface AdminServer {
  close(): Promise<void>
}

export interface AdminOptions {
  socket: string
  broker: Broker
  cursors(): CursorState[]
  /** What is remembered of one delivery. Default: nothing is. */
  deliveries?: (query: DeliveryQuery) => DeliveryTrace | undefined
  /** What is served. Default: nothing. */
  topology?: () => Topology
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
/** A transaction of operator commands holds 4 MiB of records, or one of any size; base64 adds a third. */
const MAX_BODY_BYTES = 64 * 1024 * 1024

export async function serveAdmin(options: AdminOptions): Promise<AdminServer> {
  const { broker, socket } = options
  const server = fastify({
    logger: false,
    forceCloseConnections: true,
    bodyLimit: MAX_BODY_BYTES,
  })

  server.setErrorHandler((error: unknown, _request, reply) => {
    const conflict =
      isMillraceError(error, 'FN_BROKER_OFFSET_OUT_OF_RANGE') ||
      isMillraceError(error, 'FN_BROKER_CONFLICT')
    return reply.code(conflict ? 409 : 500).send({ error: errorToWire(error) })
  })
  addReading(server, broker)
  addWriting(server, brokerWriter(broker))
  server.post(ADMIN_PATHS.triggers, () => ({ cursors: options.cursors() }))
  server.post(ADMIN_PATHS.topology, () => options.topology?.() ?? EMPTY_TOPOLOGY)
  server.post(ADMIN_PATHS.deliveries, (request): DeliveriesAnswer => {
    const { trigger, topic, partition, offset } = request.body as DeliveryQuery
    const delivery = options.deliveries?.({ trigger, topic, partition, offset })
    return { delivery: delivery ?? null }
  })

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

function addReading(server: FastifyInstance, broker: Broker): void {
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
}

function addWriting(server: FastifyInstance, writer: LogWriter): void {
  server.post(ADMIN_PATHS.append, async (request) => {
    const { records } = request.body as AppendBody
    return (await writer.append(records.map(appendFromWire))).map(resultToWire)
  })
  server.post(ADMIN_PATHS.ensureTopic, (request) => {
    const { topic, options } = request.body as EnsureTopicBody
    return writer.ensureTopic(topic, options)
  })
  server.post(ADMIN_PATHS.commit, async (request) => {
    const { group, offsets } = request.body as CommitBody
    await writer.commit(group, offsets)
    return {}
  })
  server.post(ADMIN_PATHS.transact, (request) => {
    const { id, transaction } = request.body as TransactBody
    return writer.transact(id, {
      ...transaction,
      records: transaction.records.map(appendFromWire),
    })
  })
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
