import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { Connection, leaveGroupV4 } from '@platformatic/kafka'
import { createKafkaBroker } from '../../../runtime/broker/kafka/broker.ts'
import { Cluster } from '../../../runtime/broker/kafka/cluster.ts'
import { Connections } from '../../../runtime/broker/kafka/connections.ts'
import { NO_MEMBER } from '../../../runtime/broker/kafka/group-offsets.ts'
import { KafkaMembership } from '../../../runtime/broker/kafka/membership.ts'
import type { ProducerIdentity } from '../../../runtime/broker/kafka/record-encoder.ts'
import { TransactionRequests } from '../../../runtime/broker/kafka/transaction-requests.ts'
import { persist } from '../../../runtime/broker/kafka/transient.ts'
import { appendAll } from '../../../runtime/contract/broker.ts'
import type {
  AppendRecord,
  Broker,
  Membership,
  Transaction,
} from '../../../runtime/contract/broker.ts'
import { numbered, recordOf } from '../../support/broker-contract/opening.ts'
import { readToEnd, textsOf } from '../../support/broker-contract/reading.ts'
import { epochsOf, joinRecorded } from '../../support/broker-contract/recording-listener.ts'
import { rejects, shows, stableOffset } from '../../support/broker-contract/transaction-checks.ts'
import { eventually } from '../../support/eventually.ts'
import { readIndependently } from '../../support/independent-reader.ts'
import { ownKafkaMissing, uniqueName } from '../../support/kafka.ts'
import { proxiedKafka } from '../../support/proxied-kafka.ts'

const skip = ownKafkaMissing()

/** Kafka's numbers of requests. */
const ADD_OFFSETS_TO_TXN = 25
const END_TXN = 26
const MAX_MESSAGE_BYTES = '1048588'

describe('A transaction on Kafka', { skip }, () => {
  const kafka = proxiedKafka()

  async function opened(t: TestContext, bootstrap = kafka.cluster.bootstrap): Promise<Broker> {
    kafka.proxy.cut = () => false
    const broker = await createKafkaBroker({ bootstrap: [bootstrap], clientId: 'transactions' })
    t.after(() => broker.close())
    return broker
  }

  const throughProxy = (t: TestContext): Promise<Broker> => opened(t, kafka.throughProxy)

  test('takes no offsets of an old generation of a group', async (t) => {
    const broker = await opened(t)
    const { topic, at, group } = await prepared(broker, t)
    const { membership } = await joinRecorded(broker, {
      name: 'member',
      group,
      topics: [topic],
      history: [],
    })
    assert.ok(membership instanceof KafkaMembership)
    const raw = openRaw(t, kafka.cluster.bootstrap)
    const producer = await raw.begin()
    const member = membership.identity()
    const commit = (offset: number, as: typeof member): Promise<void> =>
      raw.again((requests) =>
        requests.commitOffsets(producer, { group, offsets: [{ ...at, offset }] }, as),
      )
    await raw.again((requests) => requests.addOffsets(producer, group))

    const old = { ...member, generation: member.generation - 1 }
    await rejects(commit(1, old), 'FN_BROKER_STALE_EPOCH')
    await rejects(commit(2, { ...member, memberId: 'stranger' }), 'FN_BROKER_STALE_EPOCH')
    await commit(3, member)
    await raw.again((requests) => requests.end(producer, true))
    assert.equal(await stableOffset(broker, group, at), 3)

    // What Kafka does not refuse, unlike in OffsetCommit: somebody who does not say who it is.
    await raw.again((requests) => requests.addOffsets(producer, group))
    await commit(4, NO_MEMBER)
    await raw.again((requests) => requests.end(producer, false))
    assert.equal(await stableOffset(broker, group, at), 3)
  })

  for (const isOwn of [true, false]) {
    const whose = isOwn ? 'in the member’s own group' : 'in a group without members'
    test(`of a member who is put out in the middle leaves nothing ${whose}`, async (t) => {
      const broker = await throughProxy(t)
      const { topic, at, group } = await prepared(broker, t)
      const member = await joinRecorded(broker, {
        name: 'member',
        group,
        topics: [topic],
        history: [],
      })
      const { membership } = member
      const committedTo = isOwn ? group : uniqueName('progress')
      const id = uniqueName('id')
      const transactor = await broker.transactor({ id })
      let leaving: Promise<void> | undefined
      let isOut = false
      kafka.proxy.cut = ({ apiKey }) => {
        if (apiKey !== ADD_OFFSETS_TO_TXN) return false
        leaving ??= putOut(kafka.cluster.bootstrap, group, membership).then(() => {
          isOut = true
        })
        return !isOut
      }

      const running = transactor.transact({
        records: numbered(at, 1),
        commits: [{ group: committedTo, offsets: [{ ...at, offset: 1 }] }],
        fence: { membership, epochs: epochsOf(member) },
      })

      await rejects(running, 'FN_BROKER_STALE_EPOCH')
      await leaving
      await (await broker.transactor({ id })).transact({ records: numbered(at, 1, 1) })
      await shows(broker, at, ['1'])
      assert.equal(await stableOffset(broker, committedTo, at), undefined)
    })
  }

  test('that is aborted is not seen, also twice in one fetch and by other clients', async (t) => {
    const broker = await opened(t)
    const { topic, at } = await prepared(broker, t)
    const id = uniqueName('id')
    for (const round of [0, 1]) {
      await abort(broker, { id, records: numbered(at, 2, 100 + round), topic })
      const transactor = await broker.transactor({ id })
      await transactor.transact({ records: numbered(at, 1, round) })
    }
    await shows(broker, at, ['0', '1'])
    const read = { topic, count: 2 }
    assert.deepEqual(await readIndependently(t, kafka.cluster.bootstrap, read), ['0', '1'])
    // Six records, and a marker for each of the four transactions.
    assert.equal((await broker.read(at, 0)).next, 10)
  })

  test('that is aborted and larger than a fetch is not seen', async (t) => {
    const broker = await opened(t)
    const { topic, at } = await prepared(broker, t)
    const id = uniqueName('id')
    const large = Array.from({ length: 40 }, (_, i) =>
      recordOf(topic, { value: `${i}${'x'.repeat(100_000)}` }),
    )
    await appendAll(broker, numbered(at, 1, 1))
    await abort(broker, { id, records: large, topic })
    await (await broker.transactor({ id })).transact({ records: numbered(at, 1, 2) })

    await shows(broker, at, ['1', '2'])
    for (const from of [0, 1, 2, 15, 30]) {
      const found = textsOf(await readToEnd(broker, at, from, 120_000))
      assert.deepEqual(found, from === 0 ? ['1', '2'] : ['2'], `from ${from}`)
    }
    const read = { topic, count: 2 }
    assert.deepEqual(await readIndependently(t, kafka.cluster.bootstrap, read), ['1', '2'])
  })

  test('of a process that hangs is ended by its successor, and stable offsets wait for it', async (t) => {
    const zombieBroker = await throughProxy(t)
    const { at, group, topic } = await prepared(zombieBroker, t)
    const broker = await opened(t)
    const id = uniqueName('id')
    const zombie = await zombieBroker.transactor({ id })
    await zombie.transact(both(at, group, 0))
    assert.equal(await stableOffset(broker, group, at), 0)
    const cutsBefore = kafka.proxy.cuts
    kafka.proxy.cut = ({ apiKey }) => apiKey === END_TXN
    const hanging = zombie.transact(both(at, group, 1))
    await eventually(() => kafka.proxy.cuts > cutsBefore, 'the commit is cut off')

    // Its offset is there, and undecided.
    const stable = stableOffset(broker, group, at)
    let isAnswered = false
    void stable.then(() => (isAnswered = true))
    const [unstable] = await broker.committed(group, [at])
    assert.equal(unstable?.offset, 0)
    const cuts = kafka.proxy.cuts
    await eventually(() => kafka.proxy.cuts > cuts + 1, 'the zombie has tried again, twice')
    assert.equal(isAnswered, false)

    const successor = await broker.transactor({ id })
    assert.equal(await stable, 0)
    await successor.transact(both(at, group, 2))
    kafka.proxy.cut = () => false
    await rejects(hanging, 'FN_BROKER_FENCED')
    await rejects(zombie.transact(both(at, group, 3)), 'FN_BROKER_FENCED')
    await successor.transact(both(at, group, 4))

    await shows(broker, at, ['0', '2', '4'])
    assert.equal(await stableOffset(broker, group, at), 4)
    const read = { topic, count: 3 }
    assert.deepEqual(await readIndependently(t, kafka.cluster.bootstrap, read), ['0', '2', '4'])
  })

  test('conflicts with another one that is open where it expects an end', async (t) => {
    const hangingBroker = await throughProxy(t)
    const { at, group } = await prepared(hangingBroker, t)
    const broker = await opened(t)
    const first = await hangingBroker.transactor({ id: uniqueName('id') })
    const second = await broker.transactor({ id: uniqueName('id') })
    const expect = await broker.ranges([at])
    const cutsBefore = kafka.proxy.cuts
    kafka.proxy.cut = ({ apiKey }) => apiKey === END_TXN
    const hanging = first.transact({ ...both(at, group, 0), expect })
    await eventually(() => kafka.proxy.cuts > cutsBefore, 'the commit is cut off')

    // Readers see the same end still; what is in the log decides.
    assert.deepEqual(await broker.ranges([at]), expect)
    await rejects(second.transact({ ...both(at, group, 1), expect }), 'FN_BROKER_CONFLICT')
    kafka.proxy.cut = () => false
    await hanging
    await shows(broker, at, ['0'])
    const now = await broker.ranges([at])
    await second.transact({ ...both(at, group, 2), expect: now })
    await shows(broker, at, ['0', '2'])
  })

  test('that is open for longer than its timeout is ended by Kafka', async (t) => {
    const broker = await throughProxy(t)
    const { at, group } = await prepared(broker, t)
    const transactor = await broker.transactor({ id: uniqueName('id'), timeoutMs: 3_000 })
    kafka.proxy.cut = ({ apiKey }) => apiKey === END_TXN
    const hanging = transactor.transact(both(at, group, 0))
    const observer = await createKafkaBroker({
      bootstrap: [kafka.cluster.bootstrap],
      clientId: 'see',
    })
    t.after(() => observer.close())
    // The record and the marker that ends it; Kafka looks for open ones every 10 s.
    await eventually(async () => (await observer.ranges([at]))[0]?.end === 2, 'its end')
    kafka.proxy.cut = () => false
    await rejects(hanging, 'FN_BROKER_FENCED')
    assert.deepEqual(await readToEnd(observer, at), [])
    assert.equal(await stableOffset(observer, group, at), undefined)
  })
})

interface Prepared {
  topic: string
  at: { topic: string; partition: number }
  group: string
}

async function prepared(broker: Broker, t: TestContext): Promise<Prepared> {
  const topic = uniqueName(t)
  const config = { 'max.message.bytes': MAX_MESSAGE_BYTES }
  await broker.ensureTopic(topic, { partitions: 1, config })
  return { topic, at: { topic, partition: 0 }, group: uniqueName('group') }
}

/** A record with the number and a commit of it. */
function both(at: Prepared['at'], group: string, i: number): Transaction {
  return { records: numbered(at, 1, i), commits: [{ group, offsets: [{ ...at, offset: i }] }] }
}

/** Writes the records to the one partition, and then one that Kafka refuses. */
async function abort(
  broker: Broker,
  { id, records, topic }: { id: string; records: AppendRecord[]; topic: string },
): Promise<void> {
  const at = { topic, partition: 0 }
  const endOf = async (): Promise<number> => (await broker.ranges([at]))[0]?.end ?? 0
  const transactor = await broker.transactor({ id })
  // Now the markers of the transaction before are written, for which a resolved one does not wait.
  const before = await endOf()
  const tooLarge = recordOf(topic, { value: 'x'.repeat(1_500_000) })
  const running = transactor.transact({ records: [...records, tooLarge] })
  await rejects(running, 'FN_BROKER_TRANSACTION_FAILED')
  // Readers get past it, although its owner is still there.
  await eventually(async () => (await endOf()) === before + records.length + 1, 'the abort')
}

interface Raw {
  begin(): Promise<ProducerIdentity>
  /** Sends a request until it has an answer. */
  again<T>(request: (requests: TransactionRequests) => Promise<T>): Promise<T>
}

/** The driver's requests, in any order. */
function openRaw(t: TestContext, bootstrap: string): Raw {
  const [host, port] = bootstrap.split(':') as [string, string]
  const connections = new Connections({
    clientId: 'raw',
    security: {},
    onAnswer: () => {},
    onLoss: () => {},
  })
  t.after(() => connections.close())
  const cluster = new Cluster(connections, [{ host, port: Number(port) }])
  const requests = new TransactionRequests(uniqueName('raw'), {
    cluster,
    connections,
    lane: { name: 'raw' },
  })
  const closing = new AbortController().signal
  return {
    begin: () => persist(() => requests.init(60_000), { closing }),
    again: (request) => persist(() => request(requests), { closing }),
  }
}

/** Makes the broker forget a member, as an operator can, or a session timeout does. */
async function putOut(bootstrap: string, group: string, { memberId }: Membership): Promise<void> {
  const connection = new Connection('operator')
  const [host, port] = bootstrap.split(':') as [string, string]
  await connection.connect(host, Number(port))
  await leaveGroupV4.api.async(connection, group, [{ memberId }])
  await connection.close()
}
