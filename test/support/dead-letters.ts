/** Dead letters in an embedded log of their own, as the delivery writes them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { brokerWriter } from '../../runtime/admin/broker-writer.ts'
import { createEmbeddedBroker } from '../../runtime/broker/embedded/broker.ts'
import { deadLetterTopic } from '../../runtime/broker/names.ts'
import { decodeRecord, encodeRecord } from '../../runtime/codec/record.ts'
import { appendAll, type Broker, type LogRecord } from '../../runtime/contract/broker.ts'
import type { FailedStep } from '../../runtime/contract/delivery.ts'
import type { Log } from '../../runtime/contract/log-access.ts'
import type { TriggerManifest } from '../../runtime/contract/manifest.ts'
import type { Fault } from '../../runtime/contract/outcome.ts'
import { deadLetterRecord } from '../../runtime/dlq/dead-letter.ts'
import { sampleTrigger } from './sample-manifest.ts'

export const TRIGGER: TriggerManifest = sampleTrigger('orders')
export const LETTERS = deadLetterTopic(TRIGGER.group)
export const BROKER_PARTITIONS = 3

export interface FailingEvent {
  id: string
  key?: string
  type?: string
  /** Text of the value. */
  data?: string
  code?: Fault['code']
  message?: string
  /** Partition of the broker's topic. Default 0. */
  partition?: number
  trigger?: TriggerManifest
  /** The step of a flow that failed. */
  step?: string
}

export interface DeadLetterLog extends Log {
  broker: Broker
  /** Appends the event to the broker's topic and its dead letter; gives the letter's ref. */
  fail(event: FailingEvent): Promise<string>
  /** Lets a record of a retry topic fail again; gives the new letter's ref. */
  failAgain(topic: string, partition: number, record: LogRecord, step?: string): Promise<string>
  /** Every record of a topic, partition by partition. */
  records(topic: string): Promise<Array<{ partition: number; record: LogRecord }>>
}

export async function deadLetterLog(t: TestContext): Promise<DeadLetterLog> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-dlq-'))
  const broker = await createEmbeddedBroker({ dir, partitions: 2 })
  t.after(async () => {
    await broker.close()
    await rm(dir, { recursive: true, force: true })
  })
  await broker.ensureTopic(TRIGGER.topic, { partitions: BROKER_PARTITIONS })
  return {
    broker,
    reader: broker,
    writer: brokerWriter(broker),
    fail: (event) => fail(broker, event),
    failAgain: (topic, partition, record, step) =>
      write(
        broker,
        { trigger: TRIGGER, topic, partition, record },
        step === undefined ? {} : { step },
      ),
    records: (topic) => recordsOf(broker, topic),
  }
}

export function headerOf(record: LogRecord, name: string): string | undefined {
  return record.headers.find(([key]) => key.toString() === name)?.[1]?.toString()
}

async function fail(broker: Broker, event: FailingEvent): Promise<string> {
  const trigger = event.trigger ?? TRIGGER
  const partition = event.partition ?? 0
  const encoded = encodeRecord(
    {
      attributes: {
        specversion: '1.0',
        id: event.id,
        source: '/test',
        type: event.type ?? 'order',
        datacontenttype: 'application/json',
        ...(event.key === undefined ? {} : { partitionkey: event.key }),
      },
      data: { kind: 'json', bytes: Buffer.from(event.data ?? '{"n": 1.0}') },
    },
    trigger.topic,
  )
  const headers = [...encoded.headers, ['x-team', 'orders'] as const]
  const [place] = await appendAll(broker, [{ ...encoded, headers, partitionBy: partition }])
  const at = { topic: trigger.topic, partition }
  const { records } = await broker.read(at, place?.offset ?? 0)
  return write(broker, { trigger, ...at, record: records[0] as LogRecord }, event)
}

async function write(
  broker: Broker,
  where: { trigger: TriggerManifest; topic: string; partition: number; record: LogRecord },
  { code = 'FN_HANDLER_THREW', message = 'no stock', step }: Partial<FailingEvent>,
): Promise<string> {
  const topic = deadLetterTopic(where.trigger.group)
  await broker.ensureTopic(topic)
  const letter = deadLetterRecord(
    {
      ...where,
      event: decodeRecord(where.record),
      fault: { code, class: 'TypeError', message, stack: 'at functions/orders.ts:1:1' },
      attempts: 6,
      firstFailedAt: Date.now(),
      ...(step === undefined ? {} : { step: failedStep(step) }),
    },
    { topic, version: 'v1', encode: encodeRecord },
  )
  const [place] = await appendAll(broker, [letter])
  return `${topic}/${place?.partition}/${place?.offset}`
}

function failedStep(name: string): FailedStep {
  const { namespace, subscriber } = TRIGGER
  return { name, namespace, subscriber, keepsErrors: false }
}

async function recordsOf(
  broker: Broker,
  topic: string,
): Promise<Array<{ partition: number; record: LogRecord }>> {
  const [info] = await broker.topics([topic])
  const found = []
  for (let partition = 0; partition < (info?.partitions ?? 0); partition++) {
    const { records } = await broker.read({ topic, partition }, 0, { maxBytes: 64 * 1024 * 1024 })
    found.push(...records.map((record) => ({ partition, record })))
  }
  return found
}
