/**
 * Writes the deployment's configuration into the log. Opening it fences the controller before: whatever
 * that one still writes is refused, so two of them never take turns.
 */
import { isDeepStrictEqual } from 'node:util'
import { configTopic } from '../../runtime/broker/names.ts'
import type { Broker, Transactor } from '../../runtime/contract/broker.ts'
import type { Topology } from '../../runtime/contract/topology.ts'
import {
  CONFIG_TOPIC_OPTIONS,
  configRecord,
  readConfig,
  type SharedConfig,
} from '../../runtime/shared-config.ts'
import type { KubernetesObject } from './watch-kind.ts'

export type WriterBroker = Pick<Broker, 'ensureTopic' | 'ranges' | 'read' | 'transactor'>

export interface WriterOptions {
  broker: WriterBroker
  namespace: string
  app: string
}

export class ConfigWriter {
  readonly #transactor: Transactor
  readonly #topic: string
  readonly #app: string
  #current: SharedConfig | undefined

  private constructor(
    transactor: Transactor,
    { topic, app }: { topic: string; app: string },
    current: SharedConfig | undefined,
  ) {
    this.#transactor = transactor
    this.#topic = topic
    this.#app = app
    this.#current = current
  }

  static async open({ broker, namespace, app }: WriterOptions): Promise<ConfigWriter> {
    const topic = configTopic(namespace)
    await broker.ensureTopic(topic, CONFIG_TOPIC_OPTIONS)
    const transactor = await broker.transactor({ id: `${topic}.${app}` })
    try {
      return new ConfigWriter(transactor, { topic, app }, await newest(broker, topic, app))
    } catch (error) {
      await transactor.close()
      throw error
    }
  }

  /** What is in force; undefined before the first, and where the newest is not readable. */
  get current(): SharedConfig | undefined {
    return this.#current
  }

  /** The version that is in force then; nothing is written when nothing is different. */
  async write(topology: Topology, resources: readonly KubernetesObject[]): Promise<number> {
    // As it is read back: without what JSON leaves out.
    const written = JSON.parse(JSON.stringify({ topology, resources })) as Omit<
      SharedConfig,
      'version'
    >
    const current = this.#current
    if (current !== undefined && isDeepStrictEqual(written.topology, current.topology)) {
      return current.version
    }
    const config = { version: (current?.version ?? 0) + 1, ...written }
    await this.#transactor.transact({ records: [configRecord(this.#topic, this.#app, config)] })
    this.#current = config
    return config.version
  }

  close(): Promise<void> {
    return this.#transactor.close()
  }
}

async function newest(
  broker: WriterBroker,
  topic: string,
  app: string,
): Promise<SharedConfig | undefined> {
  const at = { topic, partition: 0 }
  const [range] = await broker.ranges([at])
  let found: SharedConfig | undefined
  for (let next = range?.start ?? 0; next < (range?.end ?? 0);) {
    const batch = await broker.read(at, next)
    for (const record of batch.records.filter(({ key }) => key?.toString() === app)) {
      const config = readConfig(record)
      if (typeof config !== 'string') found = config
    }
    next = batch.next
  }
  return found
}
