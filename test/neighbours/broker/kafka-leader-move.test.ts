import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import type { AppendResult, Broker } from '../../../runtime/contract/broker.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { readToEnd, textsOf } from '../../support/broker-contract/reading.ts'
import { eventually } from '../../support/eventually.ts'
import { threeNodes } from '../../support/kafka-nodes.ts'
import { kafkaMissing, uniqueName } from '../../support/kafka.ts'

test(
  'Leaders move between two tries, by reassignment and by death, and nothing is lost or doubled',
  { skip: kafkaMissing() },
  async (t) => {
    const { cluster, bootstrap, broker } = await threeNodes(t, 'leader-move')
    const admin = new Kafka({ brokers: bootstrap, logLevel: logLevel.NOTHING }).admin()
    t.after(() => admin.disconnect())
    await admin.connect()

    const topic = uniqueName('leaders')
    // Nodes are numbered from 1; node 1 is also the controller and stays.
    const replicaAssignment = [
      { partition: 0, replicas: [1, 2, 3] },
      { partition: 1, replicas: [2, 3, 1] },
    ]
    const configEntries = [{ name: 'min.insync.replicas', value: '1' }]
    await admin.createTopics({
      waitForLeaders: true,
      topics: [{ topic, replicaAssignment, configEntries }],
    })
    const leaderOf = async (partition: number): Promise<number | undefined> => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      return topics[0]?.partitions.find((each) => each.partitionId === partition)?.leader
    }

    const stream = appending(broker, topic)
    await stream.reaches(50)

    // Partition 1 goes to node 1, which answers for partition 0 all the while.
    await admin.alterPartitionReassignments({
      topics: [{ topic, partitionAssignment: [{ partition: 1, replicas: [1, 3] }] }],
    })
    await eventually(async () => [1, 3].includes((await leaderOf(1)) ?? 0), 'the leader moved')
    const moved = stream.count()
    await stream.reaches(moved + 50)

    // And back to a node of its own, which then dies.
    await admin.alterPartitionReassignments({
      topics: [{ topic, partitionAssignment: [{ partition: 1, replicas: [3, 1] }] }],
    })
    await eventually(async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      const isr = topics[0]?.partitions.find((each) => each.partitionId === 1)?.isr
      return isr?.length === 2 && isr.includes(3)
    }, 'the replicas are in sync')
    const before = stream.count()
    await stream.reaches(before + 20)
    await cluster.kill(2)
    await eventually(async () => (await leaderOf(1)) === 1, 'a leader after the death')
    const dead = stream.count()
    await stream.reaches(dead + 50)

    const results = await stream.stop()
    assert.deepEqual(
      results.flat().filter((result) => !result.ok),
      [],
    )
    for (const partition of [0, 1]) {
      const texts = textsOf(await readToEnd(broker, { topic, partition }))
      assert.deepEqual(
        texts,
        results.map((_, i) => String(i)),
        `partition ${partition}`,
      )
    }
    assert.equal(broker.trouble(), undefined, 'two of three nodes are enough')
  },
)

interface Appending {
  count: () => number
  reaches: (count: number) => Promise<unknown>
  stop: () => Promise<AppendResult[][]>
}

/** Appends one record to each of two partitions, again and again, several calls at a time. */
function appending(broker: Broker, topic: string): Appending {
  const results: AppendResult[][] = []
  let isOver = false
  let next = 0
  let done = 0
  const worker = async (): Promise<void> => {
    while (!isOver) {
      const i = next++
      const value = String(i)
      const result = await broker.append(
        [0, 1].map((partitionBy) => ({ topic, key: null, value, headers: [], partitionBy })),
      )
      results[i] = result
      // A test that fails closes its broker, which refuses at once: going on would be for ever.
      if (result.some((one) => !one.ok && isMillraceError(one.error, 'FN_BROKER_CLOSED'))) return
      done++
    }
  }
  const workers = Promise.all(Array.from({ length: 5 }, worker))
  return {
    count: () => done,
    reaches: (count) => eventually(() => done >= count, `${count} appends`),
    async stop() {
      isOver = true
      await workers
      return results
    },
  }
}
