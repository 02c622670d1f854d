/**
 * A process that appends to the embedded log in the given directory as fast as it can, and prints what
 * was acknowledged: `a PARTITION COUNT` or `c PARTITION OFFSET`. It runs until it is killed.
 */
import { writeSync } from 'node:fs'
import { createEmbeddedBroker } from '../../runtime/broker/embedded/broker.ts'
import { appendAll } from '../../runtime/contract/broker.ts'

const STDOUT = 1
const PARTITIONS = 3
const [dir = ''] = process.argv.slice(2)
const topic = 'load'
const broker = await createEmbeddedBroker({ dir })
await broker.ensureTopic(topic, { partitions: PARTITIONS })

const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition)
await Promise.all(partitions.flatMap((partition) => [appendOn(partition), appendOn(partition)]))

/** Two of these a partition: the log gives the order, the value names the offset. */
async function appendOn(partition: number): Promise<void> {
  for (let size = 1; ; size = (size % 40) + 1) {
    const records = Array.from({ length: size }, (_, i) => ({
      topic,
      key: `key-${i}`,
      value: `${size}/${i}/${'x'.repeat(300)}`,
      headers: [['ce_id', String(i)]] as const,
      partitionBy: partition,
    }))
    const results = await appendAll(broker, records)
    const last = results[results.length - 1]?.offset ?? 0
    writeSync(STDOUT, `a ${partition} ${last + 1}\n`)
    if (size % 10 === 0) {
      await broker.commit('progress', [{ topic, partition, offset: last + 1 }])
      writeSync(STDOUT, `c ${partition} ${last + 1}\n`)
    }
  }
}
