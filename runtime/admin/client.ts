/** The other end of the admin socket: a running runtime's log and triggers, for operator commands. */
import { request } from 'node:http'
import type {
  CommittedOffset,
  OffsetCommit,
  PartitionRange,
  TopicInfo,
} from '../contract/broker.ts'
import type { DeliveryTrace } from '../contract/history.ts'
import type { LogReader, LogWriter, PlacedRecord } from '../contract/log-access.ts'
import type { Topology } from '../contract/topology.ts'
import { MillraceError } from '../errors.ts'
import {
  ADMIN_PATHS,
  appendToWire,
  batchFromWire,
  errorFromWire,
  resultFromWire,
  type DeliveriesAnswer,
  type DeliveryQuery,
  type TriggersAnswer,
  type WireBatch,
  type WireError,
  type WireResult,
} from './protocol.ts'

export interface AdminClient extends LogReader, LogWriter {
  triggers(): Promise<TriggersAnswer>
  /** What the runtime serves. */
  topology(): Promise<Topology>
  /** What the runtime remembers of one delivery; undefined when it is not kept. */
  delivery(query: DeliveryQuery): Promise<DeliveryTrace | undefined>
}

interface ErrorAnswer {
  error: WireError
}

export function adminClient(socket: string): AdminClient {
  const call = <T>(path: string, body: unknown): Promise<T> => post<T>(socket, path, body)
  return {
    topics: (names) => call<TopicInfo[]>(ADMIN_PATHS.topics, { names }),
    read: async (at, from, options = {}) => {
      const { maxBytes, waitMs } = options
      return batchFromWire(
        await call<WireBatch>(ADMIN_PATHS.read, { ...at, from, maxBytes, waitMs }),
      )
    },
    committed: (group, partitions) =>
      call<CommittedOffset[]>(ADMIN_PATHS.committed, { group, partitions }),
    ranges: (partitions) => call<PartitionRange[]>(ADMIN_PATHS.ranges, { partitions }),
    offsetsAt: (partitions, timeMs) =>
      call<OffsetCommit[]>(ADMIN_PATHS.offsetsAt, { partitions, timeMs }),
    ...writerOf(call),
    triggers: () => call<TriggersAnswer>(ADMIN_PATHS.triggers, {}),
    topology: () => call<Topology>(ADMIN_PATHS.topology, {}),
    delivery: async (query) => {
      const { delivery } = await call<DeliveriesAnswer>(ADMIN_PATHS.deliveries, query)
      return delivery ?? undefined
    },
  }
}

function writerOf(call: <T>(path: string, body: unknown) => Promise<T>): LogWriter {
  return {
    append: async (records) => {
      const results = await call<WireResult[]>(ADMIN_PATHS.append, {
        records: records.map(appendToWire),
      })
      return results.map(resultFromWire)
    },
    ensureTopic: (topic, options) => call<TopicInfo>(ADMIN_PATHS.ensureTopic, { topic, options }),
    commit: async (group, offsets) => {
      await call(ADMIN_PATHS.commit, { group, offsets })
    },
    transact: (id, { records, ...rest }) =>
      call<PlacedRecord[]>(ADMIN_PATHS.transact, {
        id,
        transaction: { ...rest, records: records.map(appendToWire) },
      }),
  }
}

function post<T>(socket: string, path: string, body: unknown): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const unreachable = (cause: unknown): void =>
    reject(
      new MillraceError(
        'FN_CLI_NOT_REACHABLE',
        `the runtime does not answer on ${socket}; is it still running?`,
        { cause },
      ),
    )
  const call = request(
    { socketPath: socket, path, method: 'POST', headers: { 'content-type': 'application/json' } },
    (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', unreachable)
      response.on('end', () => {
        const answer = JSON.parse(Buffer.concat(chunks).toString()) as T | ErrorAnswer
        if (response.statusCode === 200) return resolve(answer as T)
        reject(errorFromWire((answer as ErrorAnswer).error))
      })
    },
  )
  call.on('error', unreachable)
  call.end(JSON.stringify(body))
  return promise
}
