/** How transactions fail, in the words of both drivers. */
import { partitionKey } from '../contract/broker.ts'
import type { TopicPartition } from '../contract/broker.ts'
import { MillraceError, isMillraceError, type ErrorCode } from '../errors.ts'

/** What tells more than that the transaction has failed. */
const TELLING: readonly ErrorCode[] = [
  'FN_BROKER_FENCED',
  'FN_BROKER_CONFLICT',
  'FN_BROKER_STALE_EPOCH',
  'FN_BROKER_COMMIT_REFUSED',
  'FN_BROKER_UNKNOWN_TOPIC',
  'FN_BROKER_TRANSACTION_FAILED',
  'FN_BROKER_CLOSED',
]

export function fenced(id: string, detail: Record<string, unknown> = {}): MillraceError {
  return new MillraceError(
    'FN_BROKER_FENCED',
    `The transactional id ${id} has a new owner, or its transaction was open for too long: what was not committed by then is not written. Open it again to go on`,
    { detail: { id, ...detail } },
  )
}

export function conflict(at: TopicPartition, expected: number, end: number): MillraceError {
  return new MillraceError(
    'FN_BROKER_CONFLICT',
    `${partitionKey(at)} ends at ${end}, not at ${expected} any more: nothing was written. Read on from there and decide again`,
    { detail: { ...at, expected, end } },
  )
}

/** The error by which a transaction ends that met this one. */
export function transactionFailure(id: string, error: Error): MillraceError {
  if (isMillraceError(error) && TELLING.includes(error.code)) return error
  return new MillraceError(
    'FN_BROKER_TRANSACTION_FAILED',
    `A transaction of ${id} was not committed: ${error.message}`,
    { cause: error, detail: { id } },
  )
}

/** For what comes after a transaction that has failed. */
export function transactorEnded(id: string, failure: Error): MillraceError {
  if (isMillraceError(failure, 'FN_BROKER_FENCED')) return fenced(id)
  return new MillraceError(
    'FN_BROKER_TRANSACTION_FAILED',
    `The transactor ${id} takes nothing more, because an earlier transaction failed: ${failure.message}. Open the id again to go on`,
    { cause: failure, detail: { id } },
  )
}
