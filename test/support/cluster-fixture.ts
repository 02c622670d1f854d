/** What the cluster tests share: a cluster per file, the guide's resources, a runtime with its controller. */
import { after, before, type TestContext } from 'node:test'
import { join } from 'node:path'
import { clusterAvailability } from './cluster-install.ts'
import { startCluster, type Cluster } from './cluster.ts'
import { post } from './http-post.ts'
import { project, type Project, type RunningRuntime } from './project.ts'

const REPOSITORY = join(import.meta.dirname, '..', '..')

export interface ClusterForTests {
  /** Give it to each test: skips where no cluster can be had (an error with `CI=true`). */
  readonly needed: { skip: string | false }
  readonly cluster: Cluster
  /** A kubeconfig of the controller's service account, which may what `k8s/rbac.yaml` says. */
  readonly controller: string
}

/** One cluster for all tests of the calling file, with namespaces and roles, without definitions. */
export function clusterForTests(): ClusterForTests {
  const availability = clusterAvailability()
  let [cluster, controller]: [Cluster | undefined, string] = [undefined, '']
  if (availability.ok) {
    before(async () => {
      cluster = await startCluster()
      for (const namespace of ['events', 'knative-eventing']) {
        await cluster.kubectl(['create', 'namespace', namespace])
      }
      await cluster.kubectl(['apply', '-f', join(REPOSITORY, 'k8s', 'rbac.yaml')])
      controller = await cluster.serviceAccount('events', 'millrace-controller')
    })
    after(() => cluster?.stop())
  } else if (process.env['CI'] === 'true') {
    throw new Error(availability.reason)
  }
  return {
    needed: { skip: availability.ok ? false : availability.reason },
    get cluster() {
      if (!cluster) throw new Error('the cluster is there from the first test on, not before')
      return cluster
    },
    get controller() {
      return controller
    },
  }
}

/** As users install them, in a cluster without Knative. */
export async function installDefinitions(cluster: Cluster): Promise<void> {
  await cluster.kubectl(['apply', '-f', join(REPOSITORY, 'k8s', 'crds')])
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=120s'])
}

/** A broker with its ConfigMap, as the guide has them. */
export const BROKER = `
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata:
  name: kafka-broker
  namespace: events
  annotations:
    eventing.knative.dev/broker.class: Kafka
spec:
  config:
    apiVersion: v1
    kind: ConfigMap
    name: kafka-broker-config
    namespace: knative-eventing
  delivery:
    retry: 5
    backoffPolicy: exponential
    backoffDelay: PT1S
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: kafka-broker-config
  namespace: knative-eventing
data:
  bootstrap.servers: kafka-cluster:9092
  default.topic.partitions: "3"
  default.topic.replication.factor: "1"
`

/** A trigger for one type that leads to the Knative Service of that name. */
export function trigger(
  name: string,
  type: string,
  service: string,
  broker = 'kafka-broker',
): string {
  return `
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata:
  name: ${name}
  namespace: events
spec:
  broker: ${broker}
  filter:
    attributes:
      type: ${type}
  subscriber:
    ref:
      apiVersion: serving.knative.dev/v1
      kind: Service
      name: ${service}
`
}

/**
 * A built project of two functions without triggers of their own. Its runtimes are stopped, not killed: a
 * controller that is killed leaves its lease to run out.
 */
export async function clusterProject(t: TestContext): Promise<Project> {
  const source = `
    export const metadata = {}
    export function handler() {}
  `
  const running: RunningRuntime[] = []
  const hooks: Array<() => Promise<void>> = []
  t.after(async () => {
    await Promise.all(running.map((runtime) => runtime.end('SIGTERM')))
    for (const hook of hooks) await hook()
  })
  const p = await project(
    { after: (hook) => void hooks.push(hook as () => Promise<void>) },
    { 'order-processor.ts': source, 'premium-processor.ts': source },
  )
  const { code, stderr } = await p.fn(['build'])
  if (code !== 0) throw new Error(stderr)
  return {
    ...p,
    async start(...how) {
      const runtime = await p.start(...how)
      running.push(runtime)
      return runtime
    },
  }
}

/** How many events ended as `acked` for `events/{name}` in this process. */
export async function acked(runtime: RunningRuntime, name: string): Promise<number> {
  const text = await (await fetch(`${runtime.metrics}/metrics`)).text()
  const line = text
    .split('\n')
    .find(
      (one) =>
        one.startsWith('millrace_outcomes_total{') &&
        one.includes(`trigger="events/${name}"`) &&
        one.includes('outcome="acked"'),
    )
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1))
}

let sent = 0

/** Sends one event; the status says whether its broker is known. */
export async function send(
  ingress: string,
  type: string,
  broker = 'kafka-broker',
): Promise<number> {
  const event = { specversion: '1.0', id: `e${(sent += 1)}`, source: '/cluster', type }
  return (await post(`${ingress}/events/${broker}`, JSON.stringify(event))).status
}
