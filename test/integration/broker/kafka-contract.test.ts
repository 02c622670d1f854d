import { Kafka, logLevel } from 'kafkajs'
import { createKafkaBroker } from '../../../runtime/broker/kafka/broker.ts'
import type { Broker } from '../../../runtime/contract/broker.ts'
import { brokerContract } from '../../support/broker-contract.ts'
import { kafkaForTests } from '../../support/kafka.ts'

const kafka = kafkaForTests()

function openBroker(): Promise<Broker> {
  return createKafkaBroker({ bootstrap: kafka.cluster.bootstrap.split(','), clientId: 'contract' })
}

brokerContract(
  'Kafka',
  async () => {
    let broker = await openBroker()
    return {
      broker,
      async reopen() {
        await broker.close()
        broker = await openBroker()
        return broker
      },
      async expire({ topic, partition }, before) {
        const brokers = kafka.cluster.bootstrap.split(',')
        const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
        await admin.connect()
        // Loads the metadata that the next call takes for granted.
        await admin.fetchTopicOffsets(topic)
        const partitions = [{ partition, offset: String(before) }]
        await admin.deleteTopicRecords({ topic, partitions })
        await admin.disconnect()
      },
      close: () => broker.close(),
    }
  },
  kafka.needed,
)
