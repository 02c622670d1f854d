import assert from 'node:assert/strict'
import { test } from 'node:test'
import { threeNodes } from '../../support/kafka-nodes.ts'
import { kafkaMissing, uniqueName } from '../../support/kafka.ts'
import { transacting } from '../../support/transaction-load.ts'

test(
  'Leaders and coordinators die one after another, and every transaction is there once',
  { skip: kafkaMissing() },
  async (t) => {
    const { cluster, broker } = await threeNodes(t, 'nodes')
    const topics = ['a', 'b', 'c', 'd'].map(uniqueName)
    const config = { 'min.insync.replicas': '1' }
    for (const topic of topics) {
      await broker.ensureTopic(topic, { partitions: 2, replicationFactor: 3, config })
    }
    // Four ids, so that their coordinators are not all on one node.
    const loads = topics.map((topic) => transacting(broker, topic))
    const allReach = async (more: number): Promise<void> => {
      const targets = loads.map((load) => load.reaches(load.resolved() + more))
      await Promise.all(targets)
    }

    await allReach(20)
    // Node 0, which is the controller too, has everything in the end.
    for (const node of [1, 2]) {
      await cluster.kill(node)
      await allReach(15)
    }

    for (const load of loads) await load.end()
    t.diagnostic(`resolved: ${loads.map((load) => load.resolved()).join(', ')}`)
    assert.deepEqual(
      loads.map((load) => load.rejected()),
      [0, 0, 0, 0],
    )
  },
)
