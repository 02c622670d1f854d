/**
 * What operator commands need of a log. A broker has it, and so has a running runtime's admin socket,
 * since the embedded log can be open in one process only.
 */
import type { AppendResult, Broker, OffsetCommit, Transaction } from './broker.ts'

export type LogReader = Pick<Broker, 'topics' | 'read' | 'committed' | 'ranges' | 'offsetsAt'>

export interface LogWriter extends Pick<Broker, 'append' | 'ensureTopic'> {
  /** As `Broker.commit`, for who is no member: refused while the group has some. */
  commit(group: string, offsets: readonly OffsetCommit[]): Promise<void>
  /** One transaction under the transactional id, which is opened for it and closed after it. */
  transact(id: string, transaction: WriterTransaction): Promise<PlacedRecord[]>
}

export type WriterTransaction = Omit<Transaction, 'fence'>
export type PlacedRecord = Extract<AppendResult, { ok: true }>

export interface Log {
  reader: LogReader
  writer: LogWriter
}
