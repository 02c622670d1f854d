/** A delivery between a scripted function and a log that answers when the test says, on mocked time. */
import type { TestContext } from 'node:test'
import type { AppendRecord, AppendResult, LogRecord } from '../../runtime/contract/broker.ts'
import type { DeadLetter, DeliveryChannel } from '../../runtime/contract/delivery.ts'
import { DEFAULT_DELIVERY, type TriggerManifest } from '../../runtime/contract/manifest.ts'
import type { ParkingLot } from '../../runtime/contract/parking.ts'
import type { Logger } from '../../runtime/contract/log.ts'
import { DeliveryHistory } from '../../runtime/delivery/history.ts'
import { TriggerDelivery } from '../../runtime/delivery/trigger-delivery.ts'
import { createMetrics, type Metrics } from '../../runtime/telemetry/metrics.ts'
import { ScriptedRunner } from './scripted-runner.ts'
import { sampleTrigger } from './sample-manifest.ts'

const TRIGGER: TriggerManifest = {
  ...sampleTrigger('orders'),
  delivery: { ...DEFAULT_DELIVERY, retry: 1, backoffPolicy: 'linear' },
  subscriber: { kind: 'function', name: 'pricer' },
}

type Accepts = (record: AppendRecord) => boolean

export interface Bench {
  delivery: TriggerDelivery
  runner: ScriptedRunner
  channel: DeliveryChannel
  /** `id:outcome`, in the order of settling. */
  settled: string[]
  /** How many events wait, each time that some begin to. */
  waits: number[]
  /** Records per append, oldest first; each waits for `answer`. */
  appends: Array<{
    records: readonly AppendRecord[]
    answer: (ok?: boolean | Accepts) => Promise<void>
  }>
  /** `timestamp`: default now. */
  send: (id: string, key?: string, timestamp?: number, more?: Record<string, string>) => void
  /** Lets the delivery hand out what is ready. */
  turn: () => Promise<void>
  /** A channel beside the first one, for events that come back from the dead letters. */
  retry: () => {
    channel: DeliveryChannel
    send: (id: string, key: string, ref: string, more?: Record<string, string>) => void
  }
  /** As `send`, on another partition. */
  other: { channel: DeliveryChannel; send: Bench['send'] }
  /** What became dead letters, in order. */
  letters: DeadLetter[]
  metrics: Metrics
  /** `level message` of each log line. */
  lines: string[]
}

export function bench(
  t: TestContext,
  trigger: Partial<TriggerManifest> = {},
  lot?: ParkingLot,
): Bench {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const runner = new ScriptedRunner()
  const appends: Bench['appends'] = []
  const settled: string[] = []
  const waits: number[] = []
  const letters: DeadLetter[] = []
  const lines: string[] = []
  const metrics = createMetrics()
  let ids = 0
  const delivery = new TriggerDelivery({
    trigger: { ...TRIGGER, ...trigger },
    runner,
    append: (records) =>
      new Promise((resolve) => {
        const answer = async (ok: boolean | Accepts = true): Promise<void> => {
          const accepts = typeof ok === 'boolean' ? (): boolean => ok : ok
          resolve(records.map((record): AppendResult => result(record, accepts(record))))
          await turn()
        }
        appends.push({ records, answer })
      }),
    toReply: (reply) => recordTo('replies', String(reply.attributes.type)),
    toDeadLetter: (letter) => {
      letters.push(letter)
      return recordTo('dlq', letter.event.attributes.id)
    },
    metrics: metrics.forTrigger('events/orders'),
    log: keepsLines(lines),
    history: new DeliveryHistory('events/orders'),
    nextId: () => ++ids,
    replayOf: (record) => record.headers[0]?.[1]?.toString(),
  })
  let letterOffset = 0
  const result = (record: AppendRecord, ok: boolean): AppendResult => {
    if (!ok) return { ok: false, topic: record.topic, error: new Error('the log is down') }
    return { ok: true, topic: record.topic, partition: 0, offset: letterOffset++ }
  }
  const [first, other] = [0, 1].map((partition) => {
    const channel = delivery.open({
      trigger: { ...TRIGGER, ...trigger },
      topic: TRIGGER.topic,
      partition,
      onWaiting: () => waits.push(channel.waiting),
      onSettled: (record, outcome) => settled.push(`${record.value?.toString()}:${outcome}`),
      ...(lot === undefined ? {} : { lot }),
    })
    return { channel, send: senderTo(channel) }
  }) as [Bench['other'], Bench['other']]
  const retry = (): ReturnType<Bench['retry']> => {
    const channel = delivery.open({
      trigger: { ...TRIGGER, ...trigger },
      topic: `${TRIGGER.group}.retry`,
      partition: 0,
      onWaiting: () => {},
      onSettled: (record, outcome) => settled.push(`${record.value?.toString()}:${outcome}`),
      beside: first.channel,
    })
    return {
      channel,
      send: (id, key, ref, more) => senderTo(channel, ref)(id, key, undefined, more),
    }
  }
  return {
    ...first,
    retry,
    delivery,
    runner,
    settled,
    waits,
    appends,
    turn,
    other,
    letters,
    metrics,
    lines,
  }
}

function senderTo(channel: DeliveryChannel, replayOf?: string): Bench['send'] {
  let offset = 0
  return (id, key, timestamp = Date.now(), more = {}) => {
    const record: LogRecord = {
      offset: offset++,
      timestamp,
      key: key === undefined ? null : Buffer.from(key),
      value: Buffer.from(id),
      headers: replayOf === undefined ? [] : [[Buffer.from('ref'), Buffer.from(replayOf)]],
    }
    channel.deliver(record, {
      attributes: { specversion: '1.0', id, source: '/test', type: 't', ...more },
      data: undefined,
    })
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
}

function recordTo(topic: string, value: string): AppendRecord {
  return { topic, key: null, value, headers: [], partitionBy: value }
}

function keepsLines(lines: string[]): Logger {
  const keep =
    (level: string) =>
    (fields: Record<string, unknown> | string, message?: string): void => {
      lines.push(`${level} ${typeof fields === 'string' ? fields : message}`)
    }
  const log: Logger = {
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    child: () => log,
  }
  return log
}
