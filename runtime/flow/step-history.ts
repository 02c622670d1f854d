import type { LogRecord } from '../contract/broker.ts'
import type { CauseOf } from './running-hop.ts'

interface Delivered {
  readonly channel: { readonly topic: string; readonly partition: number }
  readonly record: Pick<LogRecord, 'offset'>
  readonly attempt: number
}

interface History<Result, Fault, Outcome> {
  recordAttempt(task: Delivered, result: Result): void
  recordFailure(task: Delivered, fault: Fault, retryInMs?: number): void
  recordEnd(task: Delivered, outcome: Outcome): void
}

/** Remembers what happens at a step under the place of the event in the log that led there. */
export function stepHistory<Result, Fault, Outcome>(
  history: History<Result, Fault, Outcome>,
  causeOf: CauseOf,
): History<Result, Fault, Outcome> {
  const atSource = ({ channel, record, attempt }: Delivered): Delivered => ({
    channel,
    record: causeOf(record) ?? record,
    attempt,
  })
  return {
    recordAttempt: (task, result) => history.recordAttempt(atSource(task), result),
    recordFailure: (task, fault, waitMs) => history.recordFailure(atSource(task), fault, waitMs),
    recordEnd: (task, outcome) => history.recordEnd(atSource(task), outcome),
  }
}
