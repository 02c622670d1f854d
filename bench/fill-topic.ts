/** Puts the bench's events into a topic of a real Kafka before the clock runs. */
import { createKafkaBroker } from '../runtime/broker/kafka/broker.ts'
import { appendAll, type AppendRecord } from '../runtime/contract/broker.ts'
import { createLogger } from '../runtime/telemetry/log.ts'
import type { KafkaCluster } from '../test/support/kafka.ts'

const PARTITIONS = 4
const CHUNK = 2_000

/** Gives the number of events in each partition. */
export async function fillTopic(
  cluster: KafkaCluster,
  topic: string,
  events: number,
  event: (i: number, topic: string) => AppendRecord,
): Promise<number[]> {
  const broker = await createKafkaBroker({
    bootstrap: [cluster.bootstrap],
    clientId: 'bench-load',
    log: createLogger({ level: 'warn', format: 'pretty' }),
  })
  await broker.ensureTopic(topic, { partitions: PARTITIONS })
  for (let at = 0; at < events; at += CHUNK) {
    const chunk: AppendRecord[] = []
    for (let i = at; i < Math.min(at + CHUNK, events); i++) chunk.push(event(i, topic))
    await appendAll(broker, chunk)
  }
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }))
  const ranges = await broker.ranges(partitions)
  await broker.close()
  return ranges.toSorted((a, b) => a.partition - b.partition).map(({ end }) => end)
}
