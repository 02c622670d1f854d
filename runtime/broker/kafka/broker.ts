/**
 * The Kafka driver of the broker contract. It stands on the connections and protocol codecs of
 * `@platformatic/kafka`; what decides about durability, order, positions and ownership is here. It speaks
 * protocol versions that Kafka 3.0 and newer know.
 */
import type { ConnectionOptions } from '@platformatic/kafka'
import type {
  Broker,
  JoinOptions,
  Membership,
  Transactor,
  TransactorOptions,
} from '../../contract/broker.ts'
import type { Logger } from '../../contract/log.ts'
import { MillraceError } from '../../errors.ts'
import { Cluster } from './cluster.ts'
import { Connections, type Address } from './connections.ts'
import { GroupOffsets } from './group-offsets.ts'
import { HealthWatch } from './health-watch.ts'
import { OffsetLister } from './list-offsets.ts'
import { KafkaMembership } from './membership.ts'
import { Producer } from './producer.ts'
import { Reader } from './reader.ts'
import { Topics } from './topics.ts'
import { openTransactor, type KafkaTransactor } from './transactor.ts'
import { closed } from './transient.ts'

export interface KafkaBrokerOptions {
  /** `host:port` of one broker or more. */
  bootstrap: string[]
  clientId: string
  /** Partitions of a topic that is made, unless told otherwise. Default: the broker's own default. */
  partitions?: number
  /** Default: the broker's own default. */
  replicationFactor?: number
  /** After this time a record that is not confirmed fails, in milliseconds. Default 30,000. */
  appendDeadlineMs?: number
  tls?: NonNullable<ConnectionOptions['tls']>
  tlsServerName?: string | boolean
  sasl?: NonNullable<ConnectionOptions['sasl']>
  log?: Logger
}

const APPEND_DEADLINE_MS = 30_000
const DEFAULT_PORT = 9092

/** Resolves at once, whether or not Kafka is there: `trouble()` tells. */
export async function createKafkaBroker(options: KafkaBrokerOptions): Promise<Broker> {
  const bootstrap = options.bootstrap.map(parseAddress)
  if (bootstrap.length === 0) {
    throw new MillraceError('FN_CONFIG_INVALID', 'No Kafka broker is given: name one as host:port')
  }
  const broker = new KafkaBroker(bootstrap, options)
  broker.start()
  return broker
}

class KafkaBroker implements Broker {
  readonly driver = 'kafka'
  readonly #log: Logger | undefined
  readonly #closing = new AbortController()
  readonly #connections: Connections
  readonly #cluster: Cluster
  readonly #health: HealthWatch
  readonly #topics: Topics
  readonly #producer: Producer
  readonly #lister: OffsetLister
  readonly #reader: Reader
  readonly #offsets: GroupOffsets
  readonly #memberships = new Set<KafkaMembership>()
  readonly #transactors = new Set<KafkaTransactor>()
  readonly #deadlineMs: number
  #closed: Promise<void> | undefined

  constructor(bootstrap: readonly Address[], options: KafkaBrokerOptions) {
    const closing = this.#closing.signal
    const { clientId, tls, tlsServerName, sasl, partitions, replicationFactor } = options
    this.#log = options.log
    this.#connections = new Connections({
      clientId,
      security: {
        ...(tls === undefined ? {} : { tls }),
        ...(tlsServerName === undefined ? {} : { tlsServerName }),
        ...(sasl === undefined ? {} : { sasl }),
      },
      onAnswer: () => this.#health.answered(),
      onLoss: () => this.#health.suspect(),
    })
    this.#cluster = new Cluster(this.#connections, bootstrap)
    this.#health = new HealthWatch({
      probe: () => this.#cluster.probe(),
      name: options.bootstrap.join(','),
      log: options.log,
    })
    this.#topics = new Topics(this.#cluster, {
      ...(partitions === undefined ? {} : { partitions }),
      ...(replicationFactor === undefined ? {} : { replicationFactor }),
      closing,
    })
    const deadlineMs = options.appendDeadlineMs ?? APPEND_DEADLINE_MS
    this.#deadlineMs = deadlineMs
    this.#producer = new Producer(this.#cluster, { deadlineMs, closing })
    this.#lister = new OffsetLister(this.#cluster, closing)
    this.#reader = new Reader(this.#cluster, { lister: this.#lister, closing })
    this.#offsets = new GroupOffsets(this.#cluster, this.#connections, closing)
  }

  start(): void {
    this.#health.start()
  }

  ensureTopic: Broker['ensureTopic'] = (topic, options) => this.#topics.ensure(topic, options)

  topics: Broker['topics'] = (names) => this.#topics.list(names)

  append: Broker['append'] = (records) => this.#producer.append(records)

  read: Broker['read'] = (at, from, options) => this.#reader.read(at, from, options)

  async join(options: JoinOptions): Promise<Membership> {
    if (this.#closing.signal.aborted) throw closed()
    const membership = new KafkaMembership(options, {
      cluster: this.#cluster,
      connections: this.#connections,
      closing: this.#closing.signal,
      log: this.#log,
    })
    this.#memberships.add(membership)
    try {
      await membership.start()
    } catch (error) {
      this.#memberships.delete(membership)
      throw error
    }
    return membership
  }

  commit: Broker['commit'] = (group, offsets, options) =>
    this.#offsets.commit(group, offsets, options)

  committed: Broker['committed'] = (group, partitions, options) =>
    this.#offsets.committed(group, partitions, options)

  async transactor(options: TransactorOptions): Promise<Transactor> {
    if (this.#closing.signal.aborted) throw closed()
    const transactor = await openTransactor(options, {
      cluster: this.#cluster,
      connections: this.#connections,
      lister: this.#lister,
      closing: this.#closing.signal,
      deadlineMs: this.#deadlineMs,
      onClose: (ended) => this.#transactors.delete(ended),
    })
    this.#transactors.add(transactor)
    return transactor
  }

  hasMembers: Broker['hasMembers'] = (group) => this.#offsets.hasMembers(group)

  ranges: Broker['ranges'] = (partitions) => this.#lister.ranges(partitions)

  offsetsAt: Broker['offsetsAt'] = (partitions, timeMs) =>
    this.#lister.offsetsAt(partitions, timeMs)

  trouble(): string | undefined {
    return this.#health.trouble()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#health.stop()
    // While their members are still there to vouch for what is fenced.
    await Promise.all([...this.#transactors].map((transactor) => transactor.close()))
    const leaving = [...this.#memberships].map((membership) => membership.leave())
    await Promise.all([...leaving, this.#producer.close()])
    this.#closing.abort()
    this.#reader.close()
    await this.#connections.close()
  }
}

function parseAddress(text: string): Address {
  const match = /^(?<host>\[[^\]]+\]|[^:]+)(?::(?<port>\d+))?$/.exec(text.trim())
  const port = Number(match?.groups?.['port'] ?? DEFAULT_PORT)
  if (!match?.groups || port < 1 || port > 65_535) {
    throw new MillraceError(
      'FN_CONFIG_INVALID',
      `The Kafka broker "${text}" is not of the form host:port, for example kafka.example:9092`,
    )
  }
  return { host: (match.groups['host'] as string).replaceAll(/[[\]]/g, ''), port }
}
