import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { AppendRecord, Broker, TopicPartition } from '../../../runtime/contract/broker.ts'

/** A driver ready to be tested. */
export interface BrokerUnderTest {
  broker: Broker
  /** Closes the broker and opens the same log again. */
  reopen: () => Promise<Broker>
  /**
   * Makes the log drop the partition's records below `before`, as its retention would. Nothing to do
   * where `retention.ms` is applied within a second.
   */
  expire: (at: TopicPartition, before: number) => Promise<void>
  /** Closes the broker last opened and removes what was made for it. */
  close: () => Promise<void>
}

export type OpenBroker = () => Promise<BrokerUnderTest>

/** Opens a broker that is closed when the test ends. */
export async function opened(t: TestContext, open: OpenBroker): Promise<BrokerUnderTest> {
  const underTest = await open()
  t.after(() => underTest.close())
  return underTest
}

export function uniqueName(what: string): string {
  return `${what}-${randomUUID()}`
}

/** Makes a topic of its own. */
export async function madeTopic(
  broker: Broker,
  partitions: number,
  config: Record<string, string> = {},
): Promise<string> {
  const topic = uniqueName('contract')
  await broker.ensureTopic(topic, { partitions, config })
  return topic
}

export type RecordParts = Partial<Omit<AppendRecord, 'topic'>>

/** A record of the topic; partition 0 and the value "v" unless told otherwise. */
export function recordOf(topic: string, parts: RecordParts = {}): AppendRecord {
  return { topic, key: null, value: 'v', headers: [], partitionBy: 0, ...parts }
}

/** Records of one partition with the values "0", "1", … from `from` on. */
export function numbered(at: TopicPartition, count: number, from = 0): AppendRecord[] {
  return Array.from({ length: count }, (_, i) =>
    recordOf(at.topic, { value: String(from + i), partitionBy: at.partition }),
  )
}
