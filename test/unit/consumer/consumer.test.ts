import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Consumer } from '../../../runtime/consumer/consumer.ts'
import type {
  Assignment,
  Broker,
  JoinOptions,
  LogRecord,
  MembershipListener,
} from '../../../runtime/contract/broker.ts'
import { DEFAULT_DELIVERY, type TriggerManifest } from '../../../runtime/contract/manifest.ts'
import { createMetrics } from '../../../runtime/telemetry/metrics.ts'
import { SILENT } from '../../support/silent-log.ts'

const TRIGGER = {
  namespace: 'n',
  name: 'a',
  group: 'g',
  topic: 'orders',
  startFrom: 'earliest',
  delivery: DEFAULT_DELIVERY,
} as TriggerManifest
const ORDERS = [{ topic: 'orders', partitions: 1 }]
const OWNED: Assignment[] = [{ topic: 'orders', partition: 0, epoch: 1 }]
const RECORDS: LogRecord[] = [0, 1, 2].map((offset) => ({
  offset,
  timestamp: 0,
  key: null,
  value: Buffer.from(`e${offset}`),
  headers: [],
}))

/** A log whose `committed` answers when the test says so. */
function fakeLog(): { broker: Broker; listener: () => MembershipListener; answer: () => void } {
  let joined: JoinOptions | undefined
  const gate = Promise.withResolvers<void>()
  const broker: Partial<Broker> = {
    ensureTopic: async (topic) => ({ topic, partitions: 1 }),
    topics: async (names) => ORDERS.filter(({ topic }) => names?.includes(topic)),
    ranges: async (partitions) =>
      partitions.map((at) => ({ ...at, start: 0, end: at.topic === 'orders' ? 3 : 0 })),
    committed: async (_group, partitions) => {
      await gate.promise
      return partitions.map((at) => ({ ...at, offset: 0, metadata: '' }))
    },
    commit: async () => {},
    read: async (at, from, { signal } = {}) => {
      if (from === 3 || at.topic !== 'orders') {
        await new Promise<void>((resolve) => {
          signal?.addEventListener('abort', () => resolve(), { once: true })
        })
      }
      if (at.topic !== 'orders') return { records: [], next: 0, start: 0, end: 0 }
      return { records: RECORDS.slice(from), next: 3, start: 0, end: 3 }
    },
    join: async (options) => {
      joined = options
      return {
        memberId: 'm',
        assignments: () => OWNED,
        leave: async () => {},
        subscribe: async () => {},
      }
    },
  }
  return {
    broker: broker as Broker,
    listener: () => (joined as JoinOptions).listener,
    answer: gate.resolve,
  }
}

function consumerOn(broker: Broker): { consumer: Consumer; seen: string[]; calls: string[] } {
  const seen: string[] = []
  const calls: string[] = []
  const consumer = new Consumer({
    broker,
    group: 'millrace-n-a',
    triggers: [TRIGGER],
    decode: (record) => ({
      attributes: { specversion: '1.0', id: String(record.value), source: '/t', type: 't' },
      data: undefined,
    }),
    match: () => [TRIGGER],
    openChannel: ({ onSettled }) => ({
      waiting: 0,
      deliver: (record, event) => {
        seen.push(event.attributes.id)
        onSettled(record, 'acked')
      },
      restore: async () => {},
      close() {},
    }),
    refuse: async () => 'quarantined',
    setPaused: () => {},
    retire: async () => {},
    ensureTopics: async () => {},
    names: {
      retryTopic: (group) => `${group}.retry`,
      transactionalId: () => 'id',
      controlTopic: 'control',
    },
    ledger: () => createMetrics().forTrigger('n/a'),
    settleDown: async () => {
      calls.push('settleDown')
    },
    goOn: () => calls.push('goOn'),
    limits: { maxBufferBytes: 1024 * 1024, maxUnfinishedOffsets: 65_536, commitIntervalMs: 60_000 },
    log: SILENT,
  })
  return { consumer, seen, calls }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('Consumer', () => {
  it('commits again soon after a commit that waited for the log a whole minute', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let nowMs = 0
    t.mock.method(performance, 'now', () => nowMs)
    const { broker, listener, answer } = fakeLog()
    let commits = 0
    const commit: Broker['commit'] = async (_group, [progress]) => {
      if (progress?.offset !== RECORDS.length) return // the start, written down before it reads
      nowMs += commits++ === 0 ? 60_000 : 0
      throw new Error('the log was away')
    }
    const { consumer } = consumerOn({ ...broker, commit })
    await consumer.start()
    listener().assigned(OWNED)
    answer()
    await turns()
    t.mock.timers.tick(60_000) // the configured interval
    await turns()
    assert.equal(commits, 1)
    t.mock.timers.tick(60_000)
    await turns()
    assert.equal(commits, 2)
    const stopped = consumer.stop(100)
    await turns()
    t.mock.timers.tick(10_000)
    await stopped
  })

  it('opens a partition once, though a rebalance assigns it again while it is being opened', async () => {
    const { broker, listener, answer } = fakeLog()
    const { consumer, seen } = consumerOn(broker)
    await consumer.start()
    listener().assigned(OWNED)
    listener().assigned(OWNED)
    answer()
    await turns()
    assert.deepEqual(seen, ['e0', 'e1', 'e2'])
    await consumer.stop(100)
  })

  it('starts nothing again when partitions are assigned while it stops', async () => {
    const { broker, listener, answer } = fakeLog()
    const { consumer, calls } = consumerOn(broker)
    await consumer.start()
    listener().assigned(OWNED)
    answer()
    await turns()
    const stopping = consumer.stop(100)
    await turns()
    listener().assigned(OWNED)
    await stopping
    assert.deepEqual(calls, ['goOn', 'settleDown'])
  })

  it('is in trouble until partitions are assigned and open', async () => {
    const { broker, listener, answer } = fakeLog()
    const { consumer } = consumerOn(broker)
    await consumer.start()
    assert.deepEqual(consumer.troubles(), ['waiting for partitions to be assigned'])
    listener().assigned(OWNED)
    answer()
    await turns()
    assert.deepEqual(consumer.troubles(), [])
    await consumer.stop(100)
  })

  it('stops within its deadline, whatever still runs', async () => {
    const { broker } = fakeLog() // `committed` never answers: a partition is being opened for ever
    const { consumer } = consumerOn(broker)
    await consumer.start()
    const startedAt = performance.now()
    await consumer.stop(50)
    assert.ok(performance.now() - startedAt < 10_000)
  })
})
