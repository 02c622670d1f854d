import type { TestContext } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { uniqueName } from './kafka.ts'

/** What Kafka's own rules let a reader of committed records see, by another client: the first values. */
export async function readIndependently(
  t: TestContext,
  bootstrap: string,
  { topic, count }: { topic: string; count: number },
): Promise<string[]> {
  const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: uniqueName('independent') })
  t.after(() => consumer.disconnect())
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const values: string[] = []
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({ message }: { message: { value: Buffer | null } }) => {
      values.push(String(message.value))
      if (values.length === count) resolve()
    }
    consumer.run({ eachMessage }).catch(reject)
  })
  return values
}
