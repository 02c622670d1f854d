import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { OwnedPartition } from '../../../runtime/consumer/owned-partition.ts'
import { Transactors } from '../../../runtime/consumer/transactors.ts'
import type { Broker, Membership } from '../../../runtime/contract/broker.ts'
import type { ChannelOptions, DeliveryChannel } from '../../../runtime/contract/delivery.ts'
import { DEFAULT_DELIVERY, type TriggerManifest } from '../../../runtime/contract/manifest.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'
import { ScriptedTransactor } from '../../support/scripted-transactor.ts'
import { SILENT } from '../../support/silent-log.ts'
import { Books, eventNamed, quiet, recordAt } from '../../support/test-cursor.ts'

const TOPIC = sampleTrigger('a').topic
const AT = { topic: TOPIC, partition: 0 }
const RECORDS = [0, 1, 2].map((offset) => recordAt(offset, Date.now()))

interface Opened {
  options: ChannelOptions
  channel: DeliveryChannel
  closed: boolean
}

interface Bench {
  open: () => Promise<OwnedPartition>
  /** Channels in the order in which they were opened. */
  channels: Opened[]
  books: Books
  /** Where the group stands in the broker's topic. */
  committed: { offset: number }
  retryTopics: string[]
  reads: Array<{ topic: string; from: number; maxBytes: number | undefined }>
  transactors: ScriptedTransactor[]
  before: Record<'committed' | 'topics', () => Promise<void>>
}

function bench(t: TestContext, given: Partial<TriggerManifest> = {}): Bench {
  const trigger: TriggerManifest = { ...sampleTrigger('a'), ...given }
  const nothing = async (): Promise<void> => {}
  const b: Omit<Bench, 'open'> = {
    channels: [],
    books: new Books(),
    committed: { offset: 0 },
    retryTopics: [],
    reads: [],
    transactors: [],
    before: { committed: nothing, topics: nothing },
  }
  const broker = fakeLog(b)
  const open = async (): Promise<OwnedPartition> => {
    const owned = await OwnedPartition.open(
      {
        broker,
        group: 'millrace',
        triggers: () => [trigger],
        assignment: { ...AT, epoch: 1 },
        transactors: new Transactors({ open: (options) => broker.transactor(options) }),
        fence: () => ({ membership: {} as Membership, epochs: new Map() }),
        maxCursorBytes: () => 1024 * 1024,
        maxReaderBytes: () => 16 * 1024 * 1024,
        isPaused: () => false,
        decode: ({ offset }) => eventNamed(`e${offset}`),
        match: () => [trigger],
        openChannel: (options) => openChannel(b.channels, options),
        refuse: async () => 'dropped',
        ledger: () => b.books,
        settleDown: nothing,
        goOn: () => {},
        setPaused: () => {},
        retire: nothing,
        names: {
          retryTopic: (group) => `${group}.retry`,
          transactionalId: () => 'id',
          controlTopic: 'control',
        },
        ensureTopics: nothing,
        limits: { maxBufferBytes: 1024, maxUnfinishedOffsets: 65_536, commitIntervalMs: 1_000 },
        log: SILENT,
      },
      () => ({
        from: { offset: b.committed.offset, metadata: '' },
        ...(b.committed.offset > 3 ? { trouble: 'OffsetLost', passing: true } : {}),
      }),
      new Map(b.retryTopics.map((topic) => [topic, 1])),
    )
    t.after(async () => {
      owned.close()
      await owned.stop()
    })
    return owned
  }
  return { ...b, open }
}

function fakeLog(b: Omit<Bench, 'open'>): Broker {
  const broker: Partial<Broker> = {
    topics: async (names = []) => {
      await b.before.topics()
      return names
        .filter((topic) => topic === TOPIC || b.retryTopics.includes(topic))
        .map((topic) => ({ topic, partitions: 1 }))
    },
    ranges: async (places) => places.map((at) => ({ ...at, start: 0, end: endOf(at.topic) })),
    offsetsAt: async (places) => places.map((at) => ({ ...at, offset: 0 })),
    committed: async (_group, places) => {
      await b.before.committed()
      return places.map((at) => {
        const offset = at.topic === TOPIC ? b.committed.offset : undefined
        return { ...at, offset, metadata: '' }
      })
    },
    commit: async () => {},
    hasMembers: async () => false,
    read: async ({ topic }, from, { signal, waitMs = 0, maxBytes } = {}) => {
      b.reads.push({ topic, from, maxBytes })
      const end = endOf(topic)
      if (from === end && waitMs > 0) {
        await new Promise<void>((resolve) => {
          signal?.addEventListener('abort', () => resolve(), { once: true })
        })
      }
      return { records: topic === TOPIC ? RECORDS.slice(from) : [], next: end, start: 0, end }
    },
    transactor: async ({ id }) => {
      const transactor = new ScriptedTransactor(id)
      // What a start commits by itself is not what these tests are about.
      const transact = transactor.transact.bind(transactor)
      transactor.transact = (transaction) =>
        transaction.fence === undefined ? Promise.resolve([]) : transact(transaction)
      b.transactors.push(transactor)
      return transactor
    },
  }
  return broker as Broker
}

function endOf(topic: string): number {
  return topic === TOPIC ? RECORDS.length : 0
}

function openChannel(channels: Opened[], options: ChannelOptions): DeliveryChannel {
  const opened: Opened = {
    options,
    closed: false,
    channel: {
      waiting: 0,
      deliver: () => {},
      restore: async () => {},
      close: () => {
        opened.closed = true
      },
    },
  }
  channels.push(opened)
  return opened.channel
}

const EXACTLY_ONCE = { delivery: { ...DEFAULT_DELIVERY, exactlyOnce: true } }
const RETRY = `${sampleTrigger('a').group}.retry`

describe('OwnedPartition', () => {
  it('opens a retry topic that has come, with the lanes of the broker’s topic', async (t) => {
    const b = bench(t)
    const owned = await b.open()
    owned.start()
    b.retryTopics.push(RETRY)
    await owned.openRetries(new Map([[RETRY, 1]]))
    await owned.openRetries(new Map([[RETRY, 1]]))
    assert.equal(b.channels.length, 2)
    assert.equal(b.channels[1]?.options.topic, RETRY)
    assert.equal(b.channels[1]?.options.beside, b.channels[0]?.channel)
    await quiet()
    assert.ok(b.reads.some(({ topic }) => topic === RETRY))
  })

  it('opens nothing for a partition that is given up while retry topics are looked for', async (t) => {
    const b = bench(t)
    const owned = await b.open()
    owned.start()
    b.retryTopics.push(RETRY)
    const held = Promise.withResolvers<void>()
    b.before.committed = () => held.promise
    const finding = owned.openRetries(new Map([[RETRY, 1]]))
    await quiet()
    owned.close()
    held.resolve()
    await finding
    assert.equal(b.channels.length, 1)
    assert.equal(b.channels[0]?.closed, true)
  })

  it('goes on when its trouble has passed, in the lanes of its replayed events', async (t) => {
    const b = bench(t)
    b.retryTopics.push(RETRY)
    b.committed.offset = 9
    const owned = await b.open()
    owned.start()
    await owned.askAgain()
    assert.equal(b.channels.length, 2)
    b.committed.offset = 1
    await owned.askAgain()
    const [lost, retry, fresh] = b.channels
    assert.equal(b.channels.length, 3)
    assert.deepEqual([lost?.closed, retry?.closed, fresh?.closed], [true, false, false])
    assert.equal(fresh?.options.beside, retry?.channel)
    await quiet()
    assert.equal(b.books.consumedCount, 2)
    assert.deepEqual(owned.troubles(), [])
  })

  it('does not go on when it is given up while it asks', async (t) => {
    const b = bench(t)
    b.committed.offset = 9
    const owned = await b.open()
    owned.start()
    b.committed.offset = 1
    const held = Promise.withResolvers<void>()
    b.before.committed = () => held.promise
    const asking = owned.askAgain()
    await quiet()
    owned.close()
    held.resolve()
    await asking
    assert.equal(b.channels.length, 1)
    assert.equal(b.books.inFlight, 0)
  })

  it('withdraws a trigger with exactlyOnce before it reads where it goes on', async (t) => {
    const b = bench(t, EXACTLY_ONCE)
    const owned = await b.open()
    owned.start()
    await quiet()
    const [cursor] = [...owned.cursors()]
    assert.ok(cursor !== undefined)
    cursor.trouble = 'OffsetLost'
    cursor.troublePasses = true
    const closedAt: boolean[] = []
    b.before.committed = async () => {
      closedAt.push(cursor.closed)
    }
    await owned.askAgain()
    assert.deepEqual(closedAt, [false, true])
    assert.equal(b.channels.at(-1)?.closed, false)
    await quiet()
    assert.equal(b.books.inFlight, 3)
  })

  it('asks again also after a question that failed', async (t) => {
    const b = bench(t, EXACTLY_ONCE)
    const owned = await b.open()
    owned.start()
    await quiet()
    const [cursor] = [...owned.cursors()]
    Object.assign(cursor ?? {}, { trouble: 'OffsetLost', troublePasses: true })
    let asked = 0
    b.before.committed = async () => {
      if (++asked === 2) throw new Error('no answer')
    }
    await assert.rejects(owned.askAgain(), /no answer/)
    await owned.askAgain()
    assert.equal([...owned.cursors()][0]?.trouble, undefined)
    assert.equal(b.channels.at(-1)?.closed, false)
  })

  it('reads the tail for duplicates once, before the first event is handled', async (t) => {
    for (const more of [{}, EXACTLY_ONCE]) {
      const b = bench(t, { ...more, dedupe: { windowMs: 60_000, max: 100 } })
      b.committed.offset = 2
      const owned = await b.open()
      owned.start()
      await quiet()
      assert.deepEqual(b.reads.map(({ from, maxBytes }) => [from, maxBytes === 1]).slice(0, 4), [
        [2, true], // with what it goes on
        [0, false], // the tail
        [2, false], // and only then its events
        [3, false],
      ])
    }
  })

  it('closes its writer with the partition, and gives back what was under way', async (t) => {
    const b = bench(t, EXACTLY_ONCE)
    const owned = await b.open()
    owned.start()
    await quiet()
    assert.equal(b.books.inFlight, 3)
    owned.close()
    await quiet()
    assert.equal(b.books.inFlight, 0)
    assert.equal(b.transactors[0]?.closes, 1)
  })
})
