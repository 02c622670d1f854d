/** The other end of the admin socket: a running runtime's log and triggers, for operator commands. */
import { request } from 'node:http'
import type {
  CommittedOffset,
  OffsetCommit,
  PartitionRange,
  TopicInfo,
} from '../contract/broker.ts'
import { MillraceError, type ErrorCode } from '../errors.ts'
import {
  ADMIN_PATHS,
  batchFromWire,
  type LogReader,
  type TriggersAnswer,
  type WireBatch,
} from './protocol.ts'

export interface AdminClient extends LogReader {
  triggers(): Promise<TriggersAnswer>
}

interface ErrorAnswer {
  error: { code?: ErrorCode; message: string; detail?: Record<string, unknown> }
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
    triggers: () => call<TriggersAnswer>(ADMIN_PATHS.triggers, {}),
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
        const { code, message, detail } = (answer as ErrorAnswer).error
        reject(new MillraceError(code ?? 'FN_CLI_NOT_REACHABLE', message, detail ? { detail } : {}))
      })
    },
  )
  call.on('error', unreachable)
  call.end(JSON.stringify(body))
  return promise
}
