import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { Connection, leaveGroupV4 } from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { createKafkaBroker } from '../../../runtime/broker/kafka/broker.ts'
import type { Assignment, Broker, Membership } from '../../../runtime/contract/broker.ts'
import { partitionKey } from '../../../runtime/contract/broker.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { eventually } from '../../support/eventually.ts'
import { ownKafkaMissing, uniqueName } from '../../support/kafka.ts'
import { proxiedKafka } from '../../support/proxied-kafka.ts'

const skip = ownKafkaMissing()

const JOIN_GROUP = 11
const HEARTBEAT = 12

describe('A member of a Kafka group', { skip }, () => {
  const kafka = proxiedKafka()

  async function opened(t: TestContext, bootstrap = kafka.cluster.bootstrap): Promise<Broker> {
    kafka.proxy.cut = () => false
    const broker = await createKafkaBroker({ bootstrap: [bootstrap], clientId: 'membership' })
    t.after(() => broker.close())
    return broker
  }

  test('commits in its own group while it drains, before it joins again', async (t) => {
    // Both brokers talk through the proxy, which sees what is sent when.
    const broker = await opened(t, kafka.throughProxy)
    const topic = await madeTopic(broker, t, 2)
    const group = uniqueName('group')
    const sent: string[] = []
    const a = await joined(broker, group, topic, {
      async rebalancing() {
        kafka.proxy.cut = ({ apiKey, direction }) => {
          if (apiKey === JOIN_GROUP && direction === 'request') sent.push('join')
          return false
        }
        const offsets = a.membership
          .assignments()
          .map(({ partition }) => ({ topic, partition, offset: 5 }))
        assert.equal(offsets.length, 2)
        await broker.commit(group, offsets, fenceOf(a.membership))
        sent.push('committed')
      },
    })
    const other = await opened(t)
    const b = await joined(other, group, topic)

    await eventually(() => b.membership.assignments().length === 1, 'the second member owns one')
    assert.deepEqual(sent.slice(0, 2), ['committed', 'join'])
    const committed = await other.committed(group, bothOf(topic))
    assert.deepEqual(
      committed.map(({ offset }) => offset),
      [5, 5],
    )
  })

  test('whom the broker has put out cannot commit, before it knows itself', async (t) => {
    const broker = await opened(t)
    const topic = await madeTopic(broker, t, 2)
    const group = uniqueName('group')
    const heard: string[] = []
    const { membership } = await joined(broker, group, topic, { lost: () => heard.push('lost') })
    const epochs = epochsOf(membership.assignments())
    const offsets = [{ topic, partition: 0, offset: 1 }]
    const progress = uniqueName('progress')
    await broker.commit(progress, offsets, fenceOf(membership))

    await putOut(kafka.cluster.bootstrap, group, membership.memberId)
    for (const committedTo of [progress, group]) {
      await assert.rejects(
        broker.commit(committedTo, [{ topic, partition: 0, offset: 2 }], {
          fence: { membership, epochs },
        }),
        (error: unknown) => isMillraceError(error, 'FN_BROKER_STALE_EPOCH'),
      )
    }
    assert.equal((await broker.committed(progress, bothOf(topic)))[0]?.offset, 1)
    await eventually(() => heard.includes('lost'), 'the loss is heard')
    await eventually(() => membership.assignments().length === 2, 'it has joined again')
    await assert.rejects(
      broker.commit(progress, offsets, { fence: { membership, epochs } }),
      (error: unknown) => isMillraceError(error, 'FN_BROKER_STALE_EPOCH'),
      'what was owned before the loss has another epoch now',
    )
    await broker.commit(progress, offsets, fenceOf(membership))
  })

  test('that cannot reach its group loses what it owns, and joins again by itself', async (t) => {
    const broker = await opened(t, kafka.throughProxy)
    const topic = await madeTopic(broker, t, 2)
    const heard: string[] = []
    const { membership } = await joined(broker, uniqueName('group'), topic, {
      lost: (assignments) => heard.push(`lost ${assignments.length}`),
      sessionTimeoutMs: 1_500,
    })
    let before = new Map<string, number>()
    // Such a session may end by itself on a busy machine: the cut is made while both are owned.
    await eventually(() => {
      if (membership.assignments().length < 2) return false
      heard.length = 0
      before = epochsOf(membership.assignments())
      kafka.proxy.cut = ({ apiKey }) => apiKey === HEARTBEAT || apiKey === JOIN_GROUP
      return true
    }, 'both are owned')
    await eventually(() => heard.length > 0, 'the loss is heard')
    assert.deepEqual(heard, ['lost 2'])
    assert.deepEqual(membership.assignments(), [])
    kafka.proxy.cut = () => false

    await eventually(() => membership.assignments().length === 2, 'it has joined again')
    for (const [key, epoch] of epochsOf(membership.assignments())) {
      assert.notEqual(epoch, before.get(key))
    }
  })

  test('hears of partitions that are added to its topic', async (t) => {
    const broker = await opened(t)
    const topic = await madeTopic(broker, t, 1)
    const { membership } = await joined(broker, uniqueName('group'), topic)
    const [kept] = membership.assignments()
    const admin = new Kafka({
      brokers: [kafka.cluster.bootstrap],
      logLevel: logLevel.NOTHING,
    }).admin()
    t.after(() => admin.disconnect())
    await admin.connect()
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })

    await eventually(() => membership.assignments().length === 3, 'three are owned')
    assert.equal(epochsOf(membership.assignments()).get(`${topic}/0`), kept?.epoch)
  })

  test('of another kind keeps strangers from committing, and the message says so', async (t) => {
    const broker = await opened(t)
    const topic = await madeTopic(broker, t, 1)
    const groupId = uniqueName('knative-trigger')
    const client = new Kafka({ brokers: [kafka.cluster.bootstrap], logLevel: logLevel.NOTHING })
    const dispatcher = client.consumer({ groupId })
    t.after(() => dispatcher.disconnect())
    await dispatcher.connect()
    await dispatcher.subscribe({ topic })
    const isIn = new Promise((resolve) => dispatcher.on('consumer.group_join', resolve))
    await dispatcher.run({ eachMessage: async () => {} })
    await isIn

    await assert.rejects(
      broker.commit(groupId, [{ topic, partition: 0, offset: 0 }]),
      (error: unknown) =>
        isMillraceError(error, 'FN_BROKER_COMMIT_REFUSED') &&
        error.message.includes(groupId) &&
        error.message.includes('Knative dispatcher'),
    )
  })
})

interface Hearing {
  rebalancing?: () => Promise<void>
  lost?: (assignments: readonly Assignment[]) => void
  sessionTimeoutMs?: number
}

async function joined(
  broker: Broker,
  group: string,
  topic: string,
  { rebalancing, lost, sessionTimeoutMs = 10_000 }: Hearing = {},
): Promise<{ membership: Membership }> {
  const listener = {
    rebalancing: rebalancing ?? (async () => {}),
    assigned: () => {},
    lost: lost ?? (() => {}),
    failed: (error: Error) => {
      throw error
    },
  }
  return { membership: await broker.join({ group, topics: [topic], listener, sessionTimeoutMs }) }
}

async function madeTopic(broker: Broker, t: TestContext, partitions: number): Promise<string> {
  const topic = uniqueName(t)
  await broker.ensureTopic(topic, { partitions })
  return topic
}

function bothOf(topic: string): Array<{ topic: string; partition: number }> {
  return [0, 1].map((partition) => ({ topic, partition }))
}

function epochsOf(assignments: readonly Assignment[]): Map<string, number> {
  return new Map(assignments.map((each) => [partitionKey(each), each.epoch]))
}

function fenceOf(membership: Membership): {
  fence: { membership: Membership; epochs: Map<string, number> }
} {
  return { fence: { membership, epochs: epochsOf(membership.assignments()) } }
}

/** Makes the broker forget a member, as an operator can, or a session timeout does. */
async function putOut(bootstrap: string, group: string, memberId: string): Promise<void> {
  const connection = new Connection('operator')
  const [host, port] = bootstrap.split(':') as [string, string]
  await connection.connect(host, Number(port))
  await leaveGroupV4.api.async(connection, group, [{ memberId }])
  await connection.close()
}
