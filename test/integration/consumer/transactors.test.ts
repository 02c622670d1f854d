/** More partitions than transactors: they take turns, and exactly once stays so. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Broker } from '../../../runtime/contract/broker.ts'
import { DEFAULT_DELIVERY } from '../../../runtime/contract/manifest.ts'
import { eventually } from '../../support/eventually.ts'
import { RunningPipeline, type Sent } from '../../support/running-pipeline.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'

const PARTITIONS = 6
const ECHO = `export function handler() { return { type: 'out' } }`
const { topic } = sampleTrigger('one')

/** Counts the log's transactors, as the pipeline opens and closes them. */
function counting(broker: Broker): { now: number; most: number; all: number } {
  const count = { now: 0, most: 0, all: 0 }
  const open = broker.transactor.bind(broker)
  broker.transactor = async (options) => {
    count.all++
    count.most = Math.max(count.most, ++count.now)
    const transactor = await open(options)
    const close = transactor.close.bind(transactor)
    let isClosed = false
    transactor.close = async () => {
      await close()
      if (!isClosed) count.now--
      isClosed = true
    }
    return transactor
  }
  return count
}

function events(round: string): Sent[] {
  return Array.from({ length: 60 }, (_, n) => {
    return { id: `${round}-${n}`, key: `k${n % 20}`, data: {} }
  })
}

describe('bounded transactors', () => {
  it('take turns, and each event is answered once', async (t) => {
    let count: ReturnType<typeof counting> | undefined
    let broker: Broker | undefined
    const running = await RunningPipeline.open(
      t,
      ECHO,
      { delivery: { ...DEFAULT_DELIVERY, exactlyOnce: true }, startFrom: 'earliest' },
      {
        partitions: PARTITIONS,
        maxTransactors: 2,
        opened: (log) => {
          broker = log
          count = counting(log)
        },
      },
    )
    const sent: string[] = []
    const round = async (name: string): Promise<void> => {
      const batch = events(name)
      sent.push(...batch.map(({ id }) => id))
      await running.answers(batch)
    }
    for (let i = 0; i < 5; i++) await round(`r${i}`)
    // Somebody else opens the ids of all partitions, as a new owner would.
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const other = await broker?.transactor({ id: `test.${topic}/${partition}` })
      await other?.close()
    }
    await round('fenced')
    assert.deepEqual(running.answered.toSorted(), sent.toSorted())
    await eventually(async () => {
      const ranges = await broker?.ranges(
        Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition })),
      )
      for (const { partition, end } of ranges ?? []) {
        if ((await running.committed(partition)) !== end) return false
      }
      return ranges !== undefined
    }, 'all is committed')
    assert.ok(count !== undefined && count.most <= 3, `${count?.most} were open`) // the test's own too
    assert.ok(count.all > 2 * PARTITIONS, `${count.all} were opened`)
    await running.pipeline.stop(5_000)
    await eventually(() => count?.now === 0, 'all are closed')
  })
})
