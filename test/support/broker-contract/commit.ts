import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appendAll } from '../../../runtime/contract/broker.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { madeTopic, numbered, opened, recordOf, uniqueName } from './opening.ts'
import type { OpenBroker } from './opening.ts'
import { joinRecorded } from './recording-listener.ts'

const MAX_METADATA_BYTES = 4_000

export function commitContract(open: OpenBroker): void {
  test('A group that never committed has no offset', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 1)
    const committed = await broker.committed(uniqueName('group'), [{ topic, partition: 0 }])
    assert.deepEqual(committed, [{ topic, partition: 0, offset: undefined, metadata: '' }])
  })

  test('What a group commits, offset and metadata, is what it gets, and no other group', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 3)
    const partitions = [0, 1, 2].map((partition) => ({ topic, partition }))
    const [group, other] = [uniqueName('group'), uniqueName('group')]
    await appendAll(broker, numbered({ topic, partition: 0 }, 10))
    await broker.commit(group, [
      { topic, partition: 0, offset: 7, metadata: '8+2,größe' },
      { topic, partition: 2, offset: 0 },
    ])
    await broker.commit(other, [{ topic, partition: 0, offset: 3 }])
    assert.deepEqual(await broker.committed(group, partitions), [
      { topic, partition: 0, offset: 7, metadata: '8+2,größe' },
      { topic, partition: 1, offset: undefined, metadata: '' },
      { topic, partition: 2, offset: 0, metadata: '' },
    ])
    await broker.commit(group, [{ topic, partition: 0, offset: 2 }])
    assert.deepEqual(await broker.committed(group, partitions.slice(0, 1)), [
      { topic, partition: 0, offset: 2, metadata: '' },
    ])
  })

  test('Metadata of 4,000 bytes is kept, a byte more is refused with both numbers', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 1)
    const at = { topic, partition: 0 }
    const group = uniqueName('group')
    const longest = 'é'.repeat(MAX_METADATA_BYTES / 2)
    await broker.commit(group, [{ ...at, offset: 1, metadata: longest }])
    await assert.rejects(
      broker.commit(group, [{ ...at, offset: 2, metadata: `${longest}x` }]),
      (error: unknown) =>
        isMillraceError(error, 'FN_BROKER_COMMIT_REFUSED') && /4,?001.*4,?000/.test(error.message),
    )
    assert.deepEqual(await broker.committed(group, [at]), [{ ...at, offset: 1, metadata: longest }])
  })

  test('A commit by a stranger to a group with members is refused, until they leave', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 1)
    const at = { topic, partition: 0 }
    const group = uniqueName('group')
    const { membership } = await joinRecorded(broker, {
      name: 'member',
      group,
      topics: [topic],
      history: [],
    })
    await assert.rejects(
      broker.commit(group, [{ ...at, offset: 1 }]),
      (error: unknown) =>
        isMillraceError(error, 'FN_BROKER_COMMIT_REFUSED') && error.message.includes(group),
    )
    await membership.leave()
    await broker.commit(group, [{ ...at, offset: 1 }])
    assert.equal((await broker.committed(group, [at]))[0]?.offset, 1)
  })

  test('The lag is the end of the log less what is committed', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 2)
    const partitions = [0, 1].map((partition) => ({ topic, partition }))
    const group = uniqueName('group')
    await appendAll(broker, [
      ...numbered({ topic, partition: 0 }, 10),
      ...numbered({ topic, partition: 1 }, 4),
    ])
    await broker.commit(group, [
      { topic, partition: 0, offset: 3 },
      { topic, partition: 1, offset: 4 },
    ])
    const ranges = await broker.ranges(partitions)
    assert.deepEqual(ranges, [
      { topic, partition: 0, start: 0, end: 10 },
      { topic, partition: 1, start: 0, end: 4 },
    ])
    const committed = await broker.committed(group, partitions)
    assert.deepEqual(
      ranges.map(({ end }, i) => end - (committed[i]?.offset ?? 0)),
      [7, 0],
    )
  })

  test('offsetsAt finds the first record at or after a time, or else the end', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 2)
    const partitions = [0, 1].map((partition) => ({ topic, partition }))
    const base = Date.now() - 60_000
    // The third is late: it stands behind a later one.
    for (const seconds of [0, 10, 5, 20]) {
      await appendAll(broker, [recordOf(topic, { timestamp: base + seconds * 1000 })])
    }
    for (const [seconds, expected] of [
      [-30, 0],
      [0, 0],
      [4, 1],
      [10, 1],
      [11, 3],
      [20, 3],
      [21, 4],
    ] as const) {
      const found = await broker.offsetsAt(partitions, base + seconds * 1000)
      assert.deepEqual(
        found.map(({ partition, offset }) => [partition, offset]),
        [
          [0, expected],
          [1, 0],
        ],
        `${seconds} s`,
      )
    }
  })
}
