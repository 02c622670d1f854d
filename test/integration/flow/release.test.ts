/** What a change takes out of use is let go of: isolates in their real worker, connections to a real service. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { TriggerManifest } from '../../../runtime/contract/manifest.ts'
import type { Subscriber } from '../../../runtime/contract/subscriber.ts'
import type { Topology } from '../../../runtime/contract/topology.ts'
import { eventually } from '../../support/eventually.ts'
import { startRawSubscriber } from '../../support/http-subscriber.ts'
import { rssMiB, workerPids } from '../../support/isolate.ts'
import { logDir, RunningFlow } from '../../support/running-flow.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'

const ACCEPTED = 'HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nkeep-alive: timeout=600\r\n\r\n'

function trigger(name: string, subscriber: Subscriber): TriggerManifest {
  return { ...sampleTrigger(name), subscriber, filters: [{ exact: { type: 'in' } }] }
}

function topology(...triggers: TriggerManifest[]): Topology {
  const brokers = new Map(triggers.map(({ broker, topic }) => [broker, { name: broker, topic }]))
  return { brokers: [...brokers.values()], triggers, flows: [] }
}

test('an expression that changes all day leaves one isolate in one worker', async (t) => {
  const transform = (turn: number): TriggerManifest =>
    trigger('t', {
      kind: 'transform',
      name: 'events/t',
      expression: `$merge([$, {"id": id & "-of-${turn}", "type": "turn"}])`,
    })
  const running = await RunningFlow.open(t, await logDir(t), {
    topology: topology(transform(0)),
    functions: {},
  })
  const pids = workerPids()
  assert.equal(pids.length, 1)
  let rssBefore = 0
  for (let turn = 1; turn <= 20; turn++) {
    await running.send([{ id: `event-${turn}` }])
    await running.replies(turn)
    await running.pipeline.apply(topology(transform(turn)))
    if (turn === 5) rssBefore = rssMiB(pids[0] as number)
  }
  const ids = (await running.replies(20)).map(({ attributes }) => attributes.id)
  const wanted = Array.from({ length: 20 }, (_, turn) => `event-${turn + 1}-of-${turn}`)
  assert.deepEqual(ids.toSorted(), wanted.toSorted())
  assert.deepEqual(workerPids(), pids)
  const grownMiB = rssMiB(pids[0] as number) - rssBefore
  t.diagnostic(`${Math.round(grownMiB)} MiB more after 15 changes`)
  assert.ok(grownMiB < 25, `${grownMiB} MiB`)
  await running.pipeline.apply(topology())
  await eventually(() => workerPids().length === 0, 'the worker has ended')
})

test('an address that no trigger uses any more is left, and can come again', async (t) => {
  const sockets: Socket[] = []
  const url = await startRawSubscriber(t, (socket) => {
    sockets.push(socket)
    socket.write(ACCEPTED)
  })
  const [a, b] = ['a', 'b'].map((name) => trigger(name, { kind: 'http', url, format: 'binary' }))
  assert.ok(a !== undefined && b !== undefined)
  const running = await RunningFlow.open(t, await logDir(t), {
    topology: topology(a, b),
    functions: {},
  })
  await running.send([{ id: '1' }])
  await eventually(() => sockets.length === 2, 'both triggers have sent it')
  await running.pipeline.apply(topology(a))
  assert.deepEqual(
    sockets.map(({ closed }) => closed),
    [false, false],
  )
  await running.pipeline.apply(topology())
  await eventually(() => sockets.every(({ closed }) => closed), 'the connections are closed')
  await running.pipeline.apply(topology(b))
  await running.send([{ id: '2' }])
  await eventually(() => sockets.length === 3, 'the address is sent to again')
})

test('an event that is in flight when its address is removed still ends there', async (t) => {
  const asked = Promise.withResolvers<Socket>()
  const url = await startRawSubscriber(t, (socket) => asked.resolve(socket))
  const a = trigger('a', { kind: 'http', url, format: 'binary' })
  const running = await RunningFlow.open(t, await logDir(t), {
    topology: topology(a),
    functions: {},
  })
  await running.send([{ id: '1' }])
  const socket = await asked.promise
  // It is given its second, and has not ended.
  await running.pipeline.apply(topology())
  assert.equal(socket.closed, false)
  socket.write(ACCEPTED)
  await eventually(() => socket.closed, 'the connection is closed once it is answered')
})
