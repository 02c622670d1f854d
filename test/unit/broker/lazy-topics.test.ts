import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LazyTopics } from '../../../runtime/broker/lazy-topics.ts'
import type {
  AppendRecord,
  AppendResult,
  TopicInfo,
  TopicOptions,
} from '../../../runtime/contract/broker.ts'

function record(topic: string): AppendRecord {
  return { topic, key: null, value: 'v', headers: [], partitionBy: 0 }
}

function fakeLog(refuse: string[] = []): {
  made: string[]
  appended: string[]
  broker: ConstructorParameters<typeof LazyTopics>[0]
} {
  const made: string[] = []
  const appended: string[] = []
  return {
    made,
    appended,
    broker: {
      ensureTopic: async (topic): Promise<TopicInfo> => {
        await Promise.resolve()
        if (refuse.includes(topic)) throw new Error(`no room for ${topic}`)
        made.push(topic)
        return { topic, partitions: 1 }
      },
      append: async (records) =>
        records.map(({ topic }): AppendResult => {
          appended.push(topic)
          return { ok: true, topic, partition: 0, offset: 0 }
        }),
    },
  }
}

describe('LazyTopics', () => {
  it('makes a topic once, when its first record comes', async () => {
    const { made, broker } = fakeLog()
    const topics = new LazyTopics(broker)
    await Promise.all([topics.append([record('a')]), topics.append([record('a'), record('b')])])
    await topics.append([record('a')])
    assert.deepEqual(made.toSorted(), ['a', 'b'])
  })

  it('fails only the records whose topic cannot be made, each at its place', async () => {
    const refuse = ['bad']
    const { appended, broker } = fakeLog(refuse)
    const topics = new LazyTopics(broker)
    const results = await topics.append([record('a'), record('bad'), record('b')])
    assert.deepEqual(
      results.map(({ ok, topic }) => [ok, topic]),
      [
        [true, 'a'],
        [false, 'bad'],
        [true, 'b'],
      ],
    )
    assert.deepEqual(appended, ['a', 'b'])
    refuse.pop()
    const [healed] = await topics.append([record('bad')])
    assert.equal(healed?.ok, true)
  })

  it('makes a topic as it is told, but a dead-letter topic as its records need it', async () => {
    const made = new Map<string, TopicOptions>()
    const broker = {
      ...fakeLog().broker,
      ensureTopic: async (topic: string, options: TopicOptions = {}): Promise<TopicInfo> => {
        made.set(topic, options)
        return { topic, partitions: 1 }
      },
    }
    const topics = new LazyTopics(broker, () => ({ partitions: 7 }))
    await topics.append([record('a'), record('a.dlq')])
    assert.deepEqual(made.get('a'), { partitions: 7 })
    assert.equal(made.get('a.dlq')?.partitions, undefined)
  })
})
