/** All roles in processes of their own, without a build: every subscriber is a Service with an address. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BROKER,
  acked,
  clusterForTests,
  installDefinitions,
  send,
  trigger,
} from '../../support/cluster-fixture.ts'
import { eventually } from '../../support/eventually.ts'
import { startSubscriber } from '../../support/http-subscriber.ts'
import { kafkaForTests } from '../../support/kafka.ts'
import { project, type RunningRuntime } from '../../support/project.ts'

/** A name of this file: Kafka is shared with others. */
const NAME = 'addresses-broker'

const given = clusterForTests()
const kafka = kafkaForTests()
const needed = { skip: given.needed.skip || kafka.needed.skip }

test('a deployment of addresses needs no build in any of its processes', needed, async (t) => {
  await installDefinitions(given.cluster)
  const service = await startSubscriber(t, (response) => response.writeHead(204).end())
  const start = async (role: string): Promise<RunningRuntime> => {
    const flags = `--role ${role} --namespace events --app addresses --partitions 1 --replication-factor 1 --brokers ${kafka.cluster.bootstrap}`
    const own =
      role === 'controller'
        ? ['--kubeconfig', given.cluster.admin, '--services', `events/shop=${service.url}`]
        : ['--resources-from', 'cluster', '--kubeconfig', '/not/there']
    const p = await project(t, {})
    return p.start([...flags.split(' '), ...own])
  }
  const [controller, worker, ingress] = await Promise.all([
    start('controller'),
    start('worker'),
    start('ingress'),
  ])
  t.after(() => Promise.all([controller, worker, ingress].map((one) => one.end('SIGTERM'))))
  assert.match(controller.output(), /^no build in .*: no functions run, a ref to a Service is its/m)

  const broker = BROKER.replace('name: kafka-broker\n', `name: ${NAME}\n`)
  const documents = [broker, trigger('addresses', 'order', 'shop', NAME)]
  await given.cluster.kubectl(['apply', '-f', '-'], documents.join('---\n'))
  await eventually(
    async () => {
      await send(ingress.ingress, 'order', NAME)
      return (await acked(worker, 'addresses')) > 0
    },
    'the service handles an event',
    30_000,
  )
  assert.equal(service.received[0]?.headers['ce-type'], 'order')
})
