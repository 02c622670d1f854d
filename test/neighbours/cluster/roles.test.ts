/** Controllers, an ingress and a worker in processes of their own, with Kafka between them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BROKER,
  acked,
  clusterForTests,
  clusterProject,
  installDefinitions,
  send,
  trigger,
} from '../../support/cluster-fixture.ts'
import { eventually } from '../../support/eventually.ts'
import { kafkaForTests } from '../../support/kafka.ts'
import type { Project, RunningRuntime } from '../../support/project.ts'

/** Five times what is promised between an apply and its effect, for a slow machine that others share. */
const EFFECT_MS = 10_000
/** Names of this file: Kafka is shared with others. */
const NAME = 'roles-broker'
const FIRST = trigger('roles-first', 'order', 'order-processor', NAME)
const SECOND = trigger('roles-second', 'order', 'premium-processor', NAME)
const THIRD = trigger('roles-third', 'order', 'order-processor', NAME)

const given = clusterForTests()
const kafka = kafkaForTests()
const needed = { skip: given.needed.skip || kafka.needed.skip }

test(
  'each role has a process of its own, and a second controller takes over',
  needed,
  async (t) => {
    await installDefinitions(given.cluster)
    const p = await clusterProject(t)
    const another = async (): Promise<Project> => {
      const copy = await clusterProject(t)
      await copy.copyBuild(p)
      return copy
    }
    const flags = (role: string): string =>
      `--role ${role} --resources-from cluster --namespace events --partitions 2 --replication-factor 1 --brokers ${kafka.cluster.bootstrap} --kubeconfig ${role === 'controller' ? given.controller : '/not/there'}`
    const start = (from: Project, role: string): Promise<RunningRuntime> =>
      from.start(flags(role).split(' '))
    const [secondDir, workerDir, ingressDir] = [await another(), await another(), await another()]
    const [first, worker, ingress] = await Promise.all([
      start(p, 'controller'),
      start(workerDir, 'worker'),
      start(ingressDir, 'ingress'),
    ])
    assert.equal(first.ingress, '')
    assert.equal(worker.ingress, '', 'a worker takes nothing by HTTP')

    const apply = (...documents: string[]): Promise<string> =>
      given.cluster.kubectl(['apply', '-f', '-'], documents.join('---\n'))
    const untilHandled = async (name: string): Promise<number> => {
      const startedAt = performance.now()
      await eventually(async () => {
        await send(ingress.ingress, 'order', NAME)
        return (await acked(worker, name)) > 0
      }, `${name} handles an event`)
      return performance.now() - startedAt
    }

    await apply(BROKER.replace('name: kafka-broker\n', `name: ${NAME}\n`), FIRST)
    t.diagnostic(
      `the first trigger of a broker: ${(await untilHandled('roles-first')).toFixed(0)} ms`,
    )
    assert.equal(await acked(ingress, 'roles-first'), 0, 'an ingress handles nothing')

    await apply(SECOND)
    const tookMs = await untilHandled('roles-second')
    t.diagnostic(`a trigger takes effect after its apply: ${tookMs.toFixed(0)} ms`)
    assert.ok(tookMs < EFFECT_MS, `it took ${tookMs} ms`)

    const second = await start(secondDir, 'controller')
    assert.doesNotMatch(second.output(), /this controller leads/)
    assert.equal(await first.end('SIGTERM'), 0)
    await eventually(() => second.output().includes('this controller leads'), 'the second leads')
    await apply(THIRD)
    await untilHandled('roles-third')
    assert.doesNotMatch(second.output(), /configuration cannot be written/)
  },
)
