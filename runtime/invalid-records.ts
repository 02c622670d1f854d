/** broker → consumer: what becomes of records that are no CloudEvents. */
import { quarantineTopic } from './broker/names.ts'
import { decodeRecord } from './codec/record.ts'
import { wrapRecord } from './codec/wrap-record.ts'
import type { ConsumerOptions } from './consumer/consumer-options.ts'
import type { AppendRecord, AppendResult } from './contract/broker.ts'
import type { Logger } from './contract/log.ts'
import type { TriggerManifest } from './contract/manifest.ts'
import { keepInQuarantine, quarantineRecord } from './dlq/quarantine.ts'
import { isMillraceError } from './errors.ts'

/**
 * - `quarantine`: kept in the quarantine topic, byte for byte.
 * - `wrap`: handled as an event, the way a KafkaSource wraps plain records.
 * - `reject`: dropped, with a line in the log.
 */
export type InvalidRecordPolicy = 'quarantine' | 'wrap' | 'reject'

export interface InvalidRecordOptions {
  append: (records: AppendRecord[]) => Promise<AppendResult[]>
  /** The KafkaSource that reads a topic: its plain records are events, whatever the policy. */
  kafkaSourceOf: (topic: string) => TriggerManifest['wrap']
  log: Logger
}

export function invalidRecords(
  policy: InvalidRecordPolicy,
  { append, kafkaSourceOf, log }: InvalidRecordOptions,
): Pick<ConsumerOptions, 'decode' | 'refuse'> {
  return {
    decode: (record, at) => {
      try {
        return decodeRecord(record)
      } catch (error) {
        if (!isMillraceError(error)) throw error
        const source = kafkaSourceOf(at.topic)
        if (policy === 'wrap' || source !== undefined) return wrapRecord(record, at, source)
        throw error
      }
    },
    refuse: async (at, record, reason) => {
      if (policy === 'reject') {
        const about = { ...at, offset: record.offset, error: reason.message }
        log.warn(about, 'a record that is no CloudEvent is dropped')
        return 'dropped'
      }
      const kept = quarantineRecord(at, record, reason, quarantineTopic(at.topic))
      await keepInQuarantine(append, kept, log)
      return 'quarantined'
    },
  }
}
