import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { plan, type Handover, type PlannedMove } from '../../../../cli/takeover/plan.ts'
import { createEmbeddedBroker } from '../../../../runtime/broker/embedded/broker.ts'
import { encodeFinished } from '../../../../runtime/consumer/finished-offsets.ts'
import type { Broker } from '../../../../runtime/contract/broker.ts'
import { createLogger } from '../../../../runtime/telemetry/log.ts'

const TAKE: Handover = {
  trigger: 'ns/t',
  kind: 'trigger',
  topic: 'orders',
  from: 'knative',
  to: 'ours',
  back: false,
}
const BACK: Handover = { ...TAKE, from: 'ours', to: 'knative', back: true }

interface Scene {
  broker: Broker
  /** Offsets of partition 0, 1, … */
  stands: (group: string, ...offsets: Array<number | undefined>) => Promise<void>
}

async function scene(t: TestContext): Promise<Scene> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-takeover-'))
  const log = createLogger({ level: 'error', format: 'json' })
  const broker = await createEmbeddedBroker({ dir, log })
  t.after(async () => {
    await broker.close()
    await rm(dir, { recursive: true, force: true })
  })
  await broker.ensureTopic('orders', { partitions: 3 })
  return {
    broker,
    stands: (group, ...offsets) =>
      broker.commit(
        group,
        offsets.flatMap((offset, partition) =>
          offset === undefined ? [] : [{ topic: 'orders', partition, offset }],
        ),
      ),
  }
}

function written({ commits }: PlannedMove): Array<[number, number]> {
  return commits.map(({ partition, offset }) => [partition, offset])
}

function refused(said: RegExp): { code: string; message: RegExp } {
  return { code: 'FN_CLI_REFUSED', message: said }
}

describe('the plan of a takeover', () => {
  it('moves what was committed, and leaves alone what was not', async (t) => {
    const { broker, stands } = await scene(t)
    await stands('knative', 5, undefined, 7)
    const move = await plan(broker, TAKE, false)
    assert.deepEqual(written(move), [
      [0, 5],
      [2, 7],
    ])
    assert.deepEqual(
      move.offsets.map(({ offset }) => offset),
      [5, undefined, 7],
    )
  })

  it('the same again moves nothing', async (t) => {
    const { broker, stands } = await scene(t)
    await stands('knative', 5)
    await stands('ours', 5)
    assert.deepEqual(written(await plan(broker, TAKE, false)), [])
  })

  it('refuses where the other side has gone elsewhere, but not what it replaces going back', async (t) => {
    const { broker, stands } = await scene(t)
    await stands('knative', 5)
    await stands('ours', 9)
    const said = refused(/group ours stands at 9 in partition 0, and knative at 5/)
    await assert.rejects(plan(broker, TAKE, false), said)
    assert.deepEqual(written(await plan(broker, TAKE, true)), [[0, 5]])
    assert.deepEqual(written(await plan(broker, BACK, false)), [[0, 9]])
    await stands('knative', 12)
    await assert.rejects(plan(broker, BACK, false), refused(/group knative stands at 12/))
  })

  it('refuses to give back what is finished in part, unless forced', async (t) => {
    const { broker } = await scene(t)
    const { metadata } = encodeFinished(5, [[7, 9]])
    await broker.commit('ours', [{ topic: 'orders', partition: 0, offset: 5, metadata }])
    const said = refused(/partition 0 stands at 5, and 2 later events are finished already/)
    await assert.rejects(plan(broker, BACK, false), said)
    const move = await plan(broker, BACK, true)
    assert.deepEqual(move.commits, [{ topic: 'orders', partition: 0, offset: 5 }])
    const same = { ...BACK, to: 'ours' }
    await assert.rejects(plan(broker, same, false), said)
    assert.deepEqual((await plan(broker, same, true)).commits, move.commits)
    assert.deepEqual((await plan(broker, { ...TAKE, from: 'ours' }, false)).commits, [])
  })

  it('refuses while either group has members, and where there is nothing to go on from', async (t) => {
    const { broker, stands } = await scene(t)
    await assert.rejects(plan(broker, TAKE, true), refused(/knative has committed nothing/))
    await stands('knative', 5)
    for (const group of ['knative', 'ours']) {
      const listener = {
        rebalancing: async () => {},
        assigned: () => {},
        lost: () => {},
        failed: () => {},
      }
      const member = await broker.join({ group, topics: ['orders'], listener })
      await assert.rejects(plan(broker, TAKE, true), refused(/has members.*scale the dispatcher/))
      await assert.rejects(plan(broker, BACK, true), refused(/has members.*must not run/))
      await member.leave()
    }
    const missing = { ...TAKE, topic: 'none' }
    await assert.rejects(plan(broker, missing, true), { code: 'FN_CLI_NOT_FOUND' })
  })
})
