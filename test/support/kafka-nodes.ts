/** Three nodes of Kafka, of which a test may kill two: node 0 is the controller as well. */
import type { TestContext } from 'node:test'
import { createKafkaBroker } from '../../runtime/broker/kafka/broker.ts'
import type { Broker } from '../../runtime/contract/broker.ts'
import { startKafka, type KafkaCluster } from './kafka.ts'

/** They end with the test. The broker is patient with a node that dies. */
export async function threeNodes(
  t: TestContext,
  clientId: string,
): Promise<{ cluster: KafkaCluster; bootstrap: string[]; broker: Broker }> {
  const cluster = await startKafka({ brokers: 3, heapMiB: 256 })
  t.after(() => cluster.stop())
  const bootstrap = cluster.bootstrap.split(',')
  const broker = await createKafkaBroker({ bootstrap, clientId, appendDeadlineMs: 55_000 })
  t.after(() => broker.close())
  return { cluster, bootstrap, broker }
}
