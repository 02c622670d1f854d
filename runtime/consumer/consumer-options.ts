import type {
  AppendRecord,
  Assignment,
  Broker,
  CommitOptions,
  LogRecord,
  TopicPartition,
} from '../contract/broker.ts'
import type { ChannelOptions, DeliveryChannel } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import type { Logger } from '../contract/log.ts'
import type { TriggerManifest } from '../contract/manifest.ts'
import type { Outcome } from '../contract/outcome.ts'
import type { Ledger } from './cursor.ts'
import type { Transactors } from './transactors.ts'

/** Whom the events are for. */
export interface TriggerSet {
  /** Known by identity: the same object is the same trigger, whatever its filters are by now. */
  triggers: readonly TriggerManifest[]
  /** Which of a topic's triggers an event is for. */
  match: (topic: string, event: Event) => readonly TriggerManifest[]
}

/** What the consumer needs of the other stages; `runtime/pipeline.ts` puts it together. */
export interface ConsumerOptions extends TriggerSet {
  broker: Broker
  /** The deployment's group; see `membershipGroup`. */
  group: string
  /** Throws a `MillraceError` for a record that is no event. */
  decode: (record: LogRecord, at: TopicPartition) => Event
  openChannel: (options: ChannelOptions) => DeliveryChannel
  /** What becomes of a record that is no event; resolves when that is durable. */
  refuse: (at: TopicPartition, record: LogRecord, reason: Error) => Promise<Outcome>
  ledger: (trigger: TriggerManifest) => Ledger
  /** Lets nothing new start and resolves when nothing runs; for rebalances and the end. */
  settleDown: () => Promise<void>
  /** Ends what `settleDown` began. */
  goOn: () => void
  /**
   * Starts nothing more of a trigger that is being removed; resolves when nothing of it runs, and after a
   * short time whatever runs.
   */
  retire: (trigger: TriggerManifest) => Promise<void>
  /** A person paused the trigger, or ended its pause. */
  setPaused: (trigger: TriggerManifest, paused: boolean) => void
  names: {
    /** Replayed events of the trigger with this prefix, see `topicPrefixOf`. */
    retryTopic: (prefix: string) => string
    /** The deployment's writer of transactions for one partition. */
    transactionalId: (at: TopicPartition) => string
    /** Where pauses are written down. */
    controlTopic: string
  }
  /** Makes the topics of records that are about to be written. */
  ensureTopics: (records: readonly AppendRecord[]) => Promise<void>
  limits: {
    /** What all cursors together may hold, in bytes. */
    maxBufferBytes: number
    maxUnfinishedOffsets: number
    commitIntervalMs: number
    /** Writers of transactions that are open at the same time; see `Transactors`. */
    maxTransactors?: number
  }
  log: Logger
}

export interface OwnedPartitionOptions extends Omit<ConsumerOptions, 'triggers'> {
  assignment: Assignment
  /** As of now. */
  triggers: () => readonly TriggerManifest[]
  transactors: Transactors
  /** The ownership, as commits have to prove it. */
  fence: () => NonNullable<CommitOptions['fence']>
  /** Room of one cursor; see `PartitionOptions`. */
  maxCursorBytes: () => number
  /** Room of those that read together. */
  maxReaderBytes: () => number
  isPaused: (trigger: TriggerManifest) => boolean
}

/** Those that are there, with their numbers of partitions. */
export type RetryTopics = ReadonlyMap<string, number>
