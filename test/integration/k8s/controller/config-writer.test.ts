/** The controller's writer and the followers of what it writes, on a real log. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ConfigWriter } from '../../../../k8s/controller/config-writer.ts'
import { createEmbeddedBroker } from '../../../../runtime/broker/embedded/broker.ts'
import { configTopic } from '../../../../runtime/broker/names.ts'
import { appendAll, type Broker } from '../../../../runtime/contract/broker.ts'
import { EMPTY_TOPOLOGY, type Topology } from '../../../../runtime/contract/topology.ts'
import { MillraceError, isMillraceError } from '../../../../runtime/errors.ts'
import { TopologyFollower } from '../../../../runtime/follow-topology.ts'
import { eventually } from '../../../support/eventually.ts'
import { SILENT } from '../../../support/silent-log.ts'

const AT = { namespace: 'events', app: 'shop' }

async function openLog(t: TestContext): Promise<Broker> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-config-'))
  const broker = await createEmbeddedBroker({ dir, log: SILENT })
  t.after(async () => {
    await broker.close()
    await rm(dir, { recursive: true, force: true })
  })
  return broker
}

async function openWriter(t: TestContext, broker: Broker, app = AT.app): Promise<ConfigWriter> {
  const writer = await ConfigWriter.open({ broker, ...AT, app })
  t.after(() => writer.close())
  return writer
}

function follow(
  t: TestContext,
  broker: Broker,
  refuse: (topology: Topology) => boolean = () => false,
): { follower: TopologyFollower; applied: string[]; errors: string[] } {
  const applied: string[] = []
  const errors: string[] = []
  const error = (...args: [unknown, string?]): void => void errors.push(JSON.stringify(args))
  const follower = new TopologyFollower({
    broker,
    ...AT,
    async apply(topology) {
      if (refuse(topology)) throw new MillraceError('FN_NAME_CLASH', 'refused')
      applied.push(topology.brokers.map(({ name }) => name).join())
    },
    log: { ...SILENT, error },
  })
  t.after(() => follower.close())
  return { follower, applied, errors }
}

function topology(name: string): Topology {
  return { ...EMPTY_TOPOLOGY, brokers: [{ name, topic: name }] }
}

test('a follower begins with the newest version and takes each one after it', async (t) => {
  const broker = await openLog(t)
  const writer = await openWriter(t, broker)
  assert.equal(await writer.write(topology('a'), []), 1)
  assert.equal(await writer.write(topology('b'), []), 2)
  const { follower, applied } = follow(t, broker)
  assert.match(follower.waiting() ?? '', /waiting for the first configuration of shop/)
  await eventually(() => follower.version === 2, 'the newest is in force')
  assert.equal(follower.waiting(), undefined)
  await writer.write(topology('c'), [])
  await eventually(() => follower.version === 3, 'the next one is in force')
  assert.deepEqual(applied, ['b', 'c'])
})

test('the same topology again is not written, and another deployment is not followed', async (t) => {
  const broker = await openLog(t)
  const writer = await openWriter(t, broker)
  await writer.write(topology('a'), [])
  assert.equal(await writer.write(topology('a'), [{ kind: 'Trigger' }]), 1)
  await writer.write(topology('b'), [])
  await (await openWriter(t, broker, 'other')).write(topology('x'), [])
  const { follower, applied } = follow(t, broker)
  await eventually(() => follower.version === 2, 'the newest is in force')
  assert.deepEqual(applied, ['b'])
})

test('a second writer goes on where the first one was, which writes nothing more', async (t) => {
  const broker = await openLog(t)
  const first = await openWriter(t, broker)
  await first.write(topology('a'), [{ kind: 'Broker' }])
  const second = await openWriter(t, broker)
  assert.deepEqual(second.current?.resources, [{ kind: 'Broker' }])
  await assert.rejects(first.write(topology('late'), []), (error) =>
    isMillraceError(error, 'FN_BROKER_FENCED'),
  )
  assert.equal(await second.write(topology('b'), []), 2)
})

test('what cannot be applied or read leaves in force what was', async (t) => {
  const broker = await openLog(t)
  const writer = await openWriter(t, broker)
  const { follower, applied, errors } = follow(
    t,
    broker,
    ({ brokers }) => brokers[0]?.name === 'bad',
  )
  await writer.write(topology('a'), [])
  await eventually(() => follower.version === 1, 'the first is in force')
  await writer.write(topology('bad'), [])
  await eventually(() => errors.length === 1, 'the bad one was tried')
  const future = JSON.stringify({ format: 99, version: 9, topology: topology('future') })
  const garbage = [Buffer.from('{'), Buffer.from(future)]
  await appendAll(
    broker,
    garbage.map((value) => ({
      topic: configTopic('events'),
      key: AT.app,
      value,
      headers: [],
      partitionBy: 0,
    })),
  )
  await eventually(() => errors.length === 3, 'both were read')
  assert.match(errors.join(), /this runtime reads 1; update it/)
  await writer.write(topology('c'), [])
  await eventually(() => follower.version === 3, 'the next good one is in force')
  assert.deepEqual(applied, ['a', 'c'])
})

test('a large configuration is packed, and read back whole', async (t) => {
  const broker = await openLog(t)
  const writer = await openWriter(t, broker)
  const brokers = Array.from({ length: 20_000 }, (_, index) => ({
    name: `events/broker-${index}`,
    topic: `knative-broker-events-broker-${index}`,
  }))
  await writer.write({ ...EMPTY_TOPOLOGY, brokers }, [])
  const { records } = await broker.read({ topic: configTopic('events'), partition: 0 }, 0)
  assert.ok((records[0]?.value?.length ?? 0) < 300_000, `${records[0]?.value?.length} bytes`)
  const { follower, applied } = follow(t, broker)
  await eventually(() => follower.version === 1, 'it is in force')
  assert.equal(applied[0]?.split(',').length, 20_000)
})
