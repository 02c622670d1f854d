/** A Kafka of a suite's own, with a proxy before it that can cut connections and see requests. */
import { after, before } from 'node:test'
import { startFlakyProxy, type FlakyProxy } from './flaky-proxy.ts'
import { startKafka, type KafkaCluster } from './kafka.ts'

export interface ProxiedKafka {
  readonly proxy: FlakyProxy
  readonly cluster: KafkaCluster
  /** Where clients reach it through the proxy. */
  readonly throughProxy: string
}

/** Call it within a `describe`; both are there while its tests run. */
export function proxiedKafka(): ProxiedKafka {
  const opened: { proxy?: FlakyProxy; cluster?: KafkaCluster } = {}
  before(async () => {
    const proxy = (opened.proxy = await startFlakyProxy())
    const cluster = (opened.cluster = await startKafka({ advertise: [proxy.port] }))
    proxy.target = cluster.proxied[0] as string
  })
  after(async () => {
    await opened.proxy?.close()
    await opened.cluster?.stop()
  })
  return {
    get proxy() {
      return opened.proxy as FlakyProxy
    },
    get cluster() {
      return opened.cluster as KafkaCluster
    },
    get throughProxy() {
      return `127.0.0.1:${opened.proxy?.port}`
    },
  }
}
