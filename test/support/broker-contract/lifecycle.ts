import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appendAll } from '../../../runtime/contract/broker.ts'
import type { Broker, MembershipListener } from '../../../runtime/contract/broker.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { madeTopic, numbered, opened, recordOf, uniqueName } from './opening.ts'
import type { OpenBroker } from './opening.ts'
import { readToEnd, startsAt, textsOf } from './reading.ts'

export function lifecycleContract(open: OpenBroker): void {
  test('A topic is made once and then left as it is', async (t) => {
    const { broker } = await opened(t, open)
    const topic = uniqueName('contract')
    const made = await Promise.all([
      broker.ensureTopic(topic, { partitions: 3 }),
      broker.ensureTopic(topic, { partitions: 3 }),
    ])
    assert.deepEqual(made, [
      { topic, partitions: 3 },
      { topic, partitions: 3 },
    ])
    assert.deepEqual(await broker.ensureTopic(topic, { partitions: 5 }), { topic, partitions: 3 })
    assert.deepEqual(await broker.topics([topic, uniqueName('missing')]), [
      { topic, partitions: 3 },
    ])
    assert.ok((await broker.topics()).some((info) => info.topic === topic))
  })

  test('A topic with a name that no broker takes is refused', async (t) => {
    const { broker } = await opened(t, open)
    await assert.rejects(broker.ensureTopic('a topic'), (error: unknown) =>
      isMillraceError(error, 'FN_NAME_INVALID'),
    )
  })

  test('After a restart the log goes on where it stopped', async (t) => {
    const { broker, reopen } = await opened(t, open)
    const topic = await madeTopic(broker, 2)
    const at = { topic, partition: 1 }
    const group = uniqueName('group')
    await appendAll(broker, numbered(at, 5))
    await broker.commit(group, [{ ...at, offset: 2, metadata: '4' }])
    const again = await reopen()
    assert.deepEqual(await again.topics([topic]), [{ topic, partitions: 2 }])
    assert.deepEqual(await again.committed(group, [at]), [{ ...at, offset: 2, metadata: '4' }])
    assert.deepEqual(await again.ranges([at]), [{ ...at, start: 0, end: 5 }])
    const [next] = await appendAll(again, numbered(at, 1, 5))
    assert.equal(next?.offset, 5)
    assert.deepEqual(textsOf(await readToEnd(again, at, 2)), ['2', '3', '4', '5'])
  })

  test('Offsets of records that expired are not given again, not even after a restart', async (t) => {
    const { broker, expire, reopen } = await opened(t, open)
    const topic = await madeTopic(broker, 1, { 'retention.ms': '60000' })
    const at = { topic, partition: 0 }
    const timestamp = Date.now() - 3_600_000
    await appendAll(
      broker,
      numbered(at, 5).map((record) => ({ ...record, timestamp })),
    )
    await expire(at, 5)
    await startsAt(broker, at, 5)
    assert.deepEqual(await broker.ranges([at]), [{ ...at, start: 5, end: 5 }])
    const again = await reopen()
    assert.deepEqual(await again.ranges([at]), [{ ...at, start: 5, end: 5 }])
    assert.equal((await appendAll(again, [recordOf(topic)]))[0]?.offset, 5)
  })

  test('A log that answers has no trouble', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 1)
    await appendAll(broker, [recordOf(topic)])
    assert.equal(broker.trouble(), undefined)
  })

  test('An append that runs when the broker closes is finished or fails, and no read hangs', async (t) => {
    const { broker, reopen } = await opened(t, open)
    const topic = await madeTopic(broker, 2)
    const waiting = broker.read({ topic, partition: 1 }, 0, { waitMs: 60_000 })
    const appends = Array.from({ length: 20 }, (_, i) =>
      broker.append(numbered({ topic, partition: 0 }, 10, i * 10)),
    )
    await Promise.all([assert.rejects(waiting, isClosed), broker.close(), broker.close()])
    const results = (await Promise.all(appends)).flat()
    assert.equal(results.length, 200)
    const again = await reopen()
    const texts = textsOf(await readToEnd(again, { topic, partition: 0 }))
    for (const [i, result] of results.entries()) {
      if (result.ok) assert.equal(texts[result.offset], String(i))
    }
  })

  test('A closed broker refuses every call', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 1)
    await broker.close()
    await broker.close()
    for (const [name, call] of Object.entries(callsOf(broker, topic))) {
      await assert.rejects(call(), isClosed, name)
    }
    const [result] = await broker.append([recordOf(topic)])
    assert.ok(result && !result.ok && isClosed(result.error))
  })
}

function isClosed(error: unknown): boolean {
  return isMillraceError(error, 'FN_BROKER_CLOSED')
}

function callsOf(broker: Broker, topic: string): Record<string, () => Promise<unknown>> {
  const at = { topic, partition: 0 }
  const listener: MembershipListener = {
    rebalancing: async () => {},
    assigned() {},
    lost() {},
    failed() {},
  }
  return {
    ensureTopic: () => broker.ensureTopic(uniqueName('late')),
    topics: () => broker.topics(),
    read: () => broker.read(at, 0),
    join: () => broker.join({ group: 'late', topics: [topic], listener }),
    commit: () => broker.commit('late', [{ ...at, offset: 0 }]),
    committed: () => broker.committed('late', [at]),
    ranges: () => broker.ranges([at]),
    offsetsAt: () => broker.offsetsAt([at], 0),
  }
}
