/** The deliveries of a topology between scripted subscribers and a log in memory, on mocked time. */
import type { TestContext } from 'node:test'
import { decodeRecord, encodeRecord } from '../../runtime/codec/record.ts'
import type { AppendRecord, AppendResult, LogRecord } from '../../runtime/contract/broker.ts'
import type { Delivery, DeliveryChannel } from '../../runtime/contract/delivery.ts'
import type { Attributes, Event } from '../../runtime/contract/event.ts'
import { DEFAULT_DELIVERY, type TriggerManifest } from '../../runtime/contract/manifest.ts'
import { subscriberName, type Subscriber } from '../../runtime/contract/subscriber.ts'
import type { FlowManifest } from '../../runtime/contract/topology.ts'
import type { WorkResult } from '../../runtime/contract/work.ts'
import { Deliveries } from '../../runtime/deliveries.ts'
import { SharedRunner } from '../../runtime/subscriber/share.ts'
import { createPassRunner } from '../../runtime/subscriber/pass.ts'
import type { OpenSubscriber } from '../../runtime/subscribers.ts'
import { createMetrics, type Metrics } from '../../runtime/telemetry/metrics.ts'
import { sampleTrigger } from './sample-manifest.ts'
import { ScriptedRunner } from './scripted-runner.ts'
import { SILENT } from './silent-log.ts'

export interface Logged {
  topic: string
  event: Event
  record: AppendRecord
}

export interface FlowBench {
  deliveries: Deliveries
  delivery: Delivery
  trigger: TriggerManifest
  channel: DeliveryChannel
  metrics: Metrics
  /** What was appended, in order. */
  log: Logged[]
  /** `id:outcome` of the trigger's events, in the order of settling. */
  settled: string[]
  /** How many waited, each time that the trigger's channel said that more do. */
  waits: number[]
  /** Open channels of the trigger's retry topic or another partition. */
  open: (topic: string, partition?: number, beside?: DeliveryChannel) => DeliveryChannel
  runner: (subscriber: string) => ScriptedRunner
  /** Hands a subscriber's results to those who wait for them. */
  answer: (subscriber: string, results: WorkResult[]) => Promise<void>
  send: (id: string, key?: string, attributes?: Partial<Attributes>) => void
  /** Lets everything happen that needs no time. */
  turn: () => Promise<void>
  /** Whether the log takes what is appended. */
  setLog: (accepts: (record: AppendRecord) => boolean) => void
}

/** A policy that fails at the first attempt, or after one retry. */
export const ONCE = { ...DEFAULT_DELIVERY, retry: 0 }
export const TWICE = { ...DEFAULT_DELIVERY, retry: 1, backoffDelayMs: 100 }

export async function flowBench(
  t: TestContext,
  given: Partial<TriggerManifest>,
  flows: FlowManifest[] = [],
): Promise<FlowBench> {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.UTC(2026, 0, 1) })
  const runners = new Map<string, ScriptedRunner>()
  const shares = new Map<string, SharedRunner>()
  const runner = (name: string): ScriptedRunner => {
    const known = runners.get(name) ?? new ScriptedRunner()
    runners.set(name, known)
    return known
  }
  const log: Logged[] = []
  let accepts: (record: AppendRecord) => boolean = () => true
  const metrics = createMetrics()
  const deliveries = new Deliveries({
    subscribers: { open: async (subscriber) => open(subscriber) },
    flows: () => flows,
    append: async (records) =>
      records.map((record): AppendResult => {
        const { topic } = record
        if (!accepts(record)) return { ok: false, topic, error: new Error('the log is down') }
        log.push({ topic, record, event: decodeRecord(logRecord(record, log.length)) })
        return { ok: true, topic, partition: 0, offset: log.length - 1 }
      }),
    maxEventBytes: 960 * 1024,
    metrics,
    log: SILENT,
  })
  const open = (subscriber: Subscriber): OpenSubscriber => {
    const name = subscriberName(subscriber)
    const shared = shares.get(name) ?? new SharedRunner()
    shares.set(name, shared)
    return {
      release: () => {},
      share: (listener) =>
        subscriber.kind === 'pass'
          ? createPassRunner(listener)
          : shared.share(runner(name), listener),
    }
  }
  const trigger = { ...sampleTrigger('orders'), ...given }
  await deliveries.open(trigger)
  const delivery = deliveries.of(trigger)
  if (delivery === undefined) throw new Error([...deliveries.disabled.values()].join())
  const settled: string[] = []
  const waits: number[] = []
  const openChannel: FlowBench['open'] = (topic, partition = 0, beside) =>
    delivery.open({
      trigger,
      topic,
      partition,
      onWaiting: () => waits.push(channel.waiting),
      onSettled: (record, outcome) =>
        settled.push(`${names.get(`${topic}/${partition}/${record.offset}`)}:${outcome}`),
      ...(beside === undefined ? {} : { beside }),
    })
  const names = new Map<string, string>()
  const channel = openChannel(trigger.topic)
  let offset = 0
  return {
    deliveries,
    delivery,
    trigger,
    channel,
    metrics,
    log,
    settled,
    waits,
    open: openChannel,
    runner,
    answer: async (name, results) => {
      shares.get(name)?.give(results)
      await turn()
    },
    send: (id, key, attributes = {}) => {
      names.set(`${trigger.topic}/0/${offset}`, id)
      const event: Event = {
        attributes: { specversion: '1.0', id, source: '/test', type: 'in', ...attributes },
        data: { kind: 'json', bytes: Buffer.from('{"a":1}') },
      }
      if (key !== undefined) event.attributes['partitionkey'] = key
      const record = logRecord(encodeRecord(event, trigger.topic), offset++)
      channel.deliver(record, decodeRecord(record))
    },
    turn,
    setLog: (next) => {
      accepts = next
    },
  }
}

/** A record as a reader of the log gets it. */
export function logRecord(record: AppendRecord, offset: number): LogRecord {
  const { key, value, headers } = record
  return {
    offset,
    timestamp: 0,
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: headers.map(
      ([name, text]) => [Buffer.from(name), text === null ? null : Buffer.from(text)] as const,
    ),
  }
}

/** Each hop takes a few turns: hand out, answer, forward. */
async function turn(): Promise<void> {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve))
}
