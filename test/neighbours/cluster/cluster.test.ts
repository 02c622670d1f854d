/** `kubectl apply` at a real API server, and what a runtime on the embedded log makes of it. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
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
import type { Project, RunningRuntime } from '../../support/project.ts'

/** Five times what is promised between an apply and its effect, for a slow machine that others share. */
const EFFECT_MS = 10_000
const ORDERS = trigger('order-events', 'com.company.orders.created', 'order-processor')
const HIGH_VALUE = trigger('high-value-orders', 'com.company.orders.created', 'premium-processor')
const SEQUENCE = `
apiVersion: flows.knative.dev/v1
kind: Sequence
metadata:
  name: chain
  namespace: events
spec:
  channelTemplate: { apiVersion: messaging.knative.dev/v1, kind: InMemoryChannel }
  steps:
    - ref: { apiVersion: serving.knative.dev/v1, kind: Service, name: order-processor }
`
const TO_SEQUENCE = trigger('to-sequence', 'com.company.orders.created', 'chain')
  .replace('serving.knative.dev', 'flows.knative.dev')
  .replace('kind: Service', 'kind: Sequence')

describe('a cluster', { concurrency: 1 }, () => {
  const given = clusterForTests()

  /** One process with all roles, on the embedded log. */
  async function running(t: TestContext): Promise<{ runtime: RunningRuntime; p: Project }> {
    const p = await clusterProject(t)
    return { p, runtime: await start(p) }
  }

  function start(p: Project): Promise<RunningRuntime> {
    const flags = '--role ingress,worker,controller --resources-from cluster --namespace events'
    return p.start([...flags.split(' '), '--kubeconfig', given.controller])
  }

  async function apply(...documents: string[]): Promise<void> {
    await given.cluster.kubectl(['apply', '-f', '-'], documents.join('---\n'))
  }

  /** Sends until one is handled by the trigger; gives the time that took. */
  async function untilHandled(runtime: RunningRuntime, name: string): Promise<number> {
    const startedAt = performance.now()
    const before = await acked(runtime, name)
    await eventually(async () => {
      await send(runtime.ingress, 'com.company.orders.created')
      return (await acked(runtime, name)) > before
    }, `events/${name} handles an event`)
    return performance.now() - startedAt
  }

  async function within(
    t: TestContext,
    what: string,
    measure: () => Promise<number>,
  ): Promise<void> {
    const tookMs = await measure()
    t.diagnostic(`${what}: ${tookMs.toFixed(0)} ms`)
    assert.ok(tookMs < EFFECT_MS, `${what} took ${tookMs} ms`)
  }

  function removeAll(t: TestContext): void {
    t.after(async () => {
      await given.cluster.kubectl(['delete', 'broker,trigger,sequence', '--all', '-n', 'events'])
    })
  }

  test(
    'definitions may come later, and what is applied takes effect in seconds',
    given.needed,
    async (t) => {
      const { runtime } = await running(t)
      assert.equal(await send(runtime.ingress, 'any'), 404, 'no broker yet')
      await installDefinitions(given.cluster)
      removeAll(t)
      await apply(BROKER, ORDERS)
      await untilHandled(runtime, 'order-events')

      await apply(HIGH_VALUE)
      await within(t, 'a trigger takes effect after its apply', () =>
        untilHandled(runtime, 'high-value-orders'),
      )

      await apply(SEQUENCE, TO_SEQUENCE)
      await within(t, 'a sequence takes effect after its apply', () =>
        untilHandled(runtime, 'to-sequence'),
      )

      await given.cluster.kubectl(['delete', 'trigger', 'order-events', '-n', 'events'])
      await within(t, 'a trigger is gone after its delete', async () => {
        const startedAt = performance.now()
        await eventually(async () => {
          const before = await acked(runtime, 'order-events')
          await untilHandled(runtime, 'high-value-orders')
          return (await acked(runtime, 'order-events')) === before
        }, 'the deleted trigger handles nothing')
        return performance.now() - startedAt
      })
      const before = await acked(runtime, 'order-events')
      for (let turn = 0; turn < 10; turn += 1) await untilHandled(runtime, 'high-value-orders')
      assert.equal(await acked(runtime, 'order-events'), before)
    },
  )

  test(
    'a resource that is wrong stays as it was, and says so where people look',
    given.needed,
    async (t) => {
      const { runtime, p } = await running(t)
      removeAll(t)
      await apply(BROKER, ORDERS)
      await untilHandled(runtime, 'order-events')

      const broken = ORDERS.replace(
        'broker: kafka-broker',
        'broker: kafka-broker\n  delivery: {retry: -1}',
      )
      // This broker names a ConfigMap that the controller may not read: its own matter, too.
      const other = BROKER.replace('name: kafka-broker\n', 'name: other\n').replaceAll(
        'name: kafka-broker-config',
        'name: somebody-elses-config',
      )
      await apply(broken, other, HIGH_VALUE)
      await untilHandled(runtime, 'high-value-orders')
      await untilHandled(runtime, 'order-events')
      assert.match(runtime.output(), /Trigger events\/order-events/)
      const selector = '--field-selector=involvedObject.name=order-events,reason=NotApplied'
      const events = [
        'get',
        'events',
        '-n',
        'events',
        '-o',
        'jsonpath={.items[*].message}',
        selector,
      ]
      const event = await eventually(() => given.cluster.kubectl(events), 'the Event is there')
      assert.match(event, /spec\.delivery\.retry: .*the version before stays in force/)

      assert.equal(await runtime.end('SIGTERM'), 0)
      const again = await start(p)
      await untilHandled(again, 'order-events')

      await apply(ORDERS)
      await eventually(
        () => again.output().includes('a resource is right again'),
        'it is right again',
      )
    },
  )

  test(
    'an API server that restarts and has forgotten old versions is followed on',
    given.needed,
    async (t) => {
      const { runtime } = await running(t)
      removeAll(t)
      await apply(BROKER, ORDERS)
      await untilHandled(runtime, 'order-events')

      await given.cluster.restartApiServer(async () => {
        await given.cluster.compact()
        // What ran before goes on without it.
        await untilHandled(runtime, 'order-events')
      })
      await apply(HIGH_VALUE)
      await untilHandled(runtime, 'high-value-orders')
    },
  )
})
