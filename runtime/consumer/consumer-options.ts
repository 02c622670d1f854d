import type { AppendRecord, Broker, LogRecord, TopicPartition } from '../contract/broker.ts'
import type { ChannelOptions, DeliveryChannel } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import type { Logger } from '../contract/log.ts'
import type { TriggerManifest } from '../contract/manifest.ts'
import type { Outcome } from '../contract/outcome.ts'
import type { Ledger } from './cursor.ts'

/** What the consumer needs of the other stages; `runtime/pipeline.ts` puts it together. */
export interface ConsumerOptions {
  broker: Broker
  /** The deployment's group; see `membershipGroup`. */
  group: string
  triggers: readonly TriggerManifest[]
  /** Throws a `MillraceError` for a record that is no event. */
  decode: (record: LogRecord, at: TopicPartition) => Event
  /** Which of a topic's triggers an event is for. */
  match: (topic: string, event: Event) => readonly TriggerManifest[]
  openChannel: (options: ChannelOptions) => DeliveryChannel
  /** What becomes of a record that is no event; resolves when that is durable. */
  refuse: (at: TopicPartition, record: LogRecord, reason: Error) => Promise<Outcome>
  ledger: (trigger: TriggerManifest) => Ledger
  /** Lets nothing new start and resolves when nothing runs; for rebalances and the end. */
  settleDown: () => Promise<void>
  /** Ends what `settleDown` began. */
  goOn: () => void
  /** A person paused the trigger, or ended its pause. */
  setPaused: (trigger: TriggerManifest, paused: boolean) => void
  names: {
    /** Replayed events of a trigger's group. */
    retryTopic: (group: string) => string
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
