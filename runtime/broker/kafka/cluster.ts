/** What is known of the cluster: its brokers, who leads which partition, who coordinates what. */
import { findCoordinatorV4, metadataV12, type API } from '@platformatic/kafka'
import type { TopicPartition } from '../../contract/broker.ts'
import { MillraceError } from '../../errors.ts'
import type { Address, Connections, Lane } from './connections.ts'
import { Coordinators, type Coordinated } from './coordinators.ts'
import { CODE, codeName } from './protocol-codes.ts'
import { Transient } from './transient.ts'

export const CONTROL: Lane = { name: 'control' }

/** Leaders move seldom and say so; this finds added partitions. */
const METADATA_AGE_MS = 60_000

interface TopicState {
  /** The leader of each partition; -1 for none at the moment. */
  leaders: number[]
  asOf: number
}

export interface ClusterTopic {
  topic: string
  partitions: number
  internal: boolean
  /** Every partition has a leader. */
  ready: boolean
}

export class Cluster {
  readonly #connections: Connections
  readonly #bootstrap: readonly Address[]
  readonly #brokers = new Map<number, Address>()
  readonly #topics = new Map<string, TopicState>()
  readonly #coordinators: Coordinators
  #controller = -1
  /** Topics to ask for in the next metadata request, shared by all who want one. */
  #wanted = new Set<string>()
  #next: Promise<void> | undefined
  #running: Promise<unknown> = Promise.resolve()

  constructor(connections: Connections, bootstrap: readonly Address[]) {
    this.#connections = connections
    this.#bootstrap = bootstrap
    this.#coordinators = new Coordinators({
      ask: (keyType, names) => this.askAny(findCoordinatorV4.api, keyType, names),
      refusal,
    })
  }

  /** Number of partitions as known, without asking; undefined when it has to be asked. */
  knownPartitions(topic: string): number | undefined {
    const state = this.#topics.get(topic)
    if (state === undefined) return undefined
    if (Date.now() - state.asOf > METADATA_AGE_MS) {
      state.asOf = Date.now()
      // Only to find new partitions: what is known stays good, and a failure shows elsewhere.
      this.refresh(topic).catch(() => {})
    }
    return state.leaders.length
  }

  /** Throws `Transient` with `FN_BROKER_UNKNOWN_TOPIC` when the cluster does not know the topic. */
  async partitions(topic: string): Promise<number> {
    const known = this.knownPartitions(topic)
    if (known !== undefined) return known
    await this.refresh(topic)
    const state = this.#topics.get(topic)
    if (state === undefined) throw unknownTopic(topic)
    return state.leaders.length
  }

  /** The leader's node as known; undefined when metadata has to be asked. */
  knownLeader({ topic, partition }: TopicPartition): number | undefined {
    const leader = this.#topics.get(topic)?.leaders[partition]
    return leader === undefined || leader < 0 ? undefined : leader
  }

  /** Throws `Transient` while there is no leader, and for a partition that is not there. */
  async leader(at: TopicPartition): Promise<number> {
    const known = this.knownLeader(at)
    if (known !== undefined) return known
    await this.refresh(at.topic)
    const state = this.#topics.get(at.topic)
    if (state === undefined) throw unknownTopic(at.topic)
    const leader = state.leaders[at.partition]
    if (leader === undefined) throw unknownPartition(at, state.leaders.length)
    if (leader < 0) {
      throw new Transient(`Partition ${at.partition} of ${at.topic} has no leader at the moment`)
    }
    return leader
  }

  /** Forgets who leads the partition, because the answer said that it is someone else. */
  forgetLeader({ topic, partition }: TopicPartition): void {
    const state = this.#topics.get(topic)
    if (state && partition < state.leaders.length) state.leaders[partition] = -1
  }

  forgetTopic(topic: string): void {
    this.#topics.delete(topic)
  }

  /** Asks for the topic's partitions and leaders. Requests made at about one time share one. */
  refresh(topic: string): Promise<void> {
    this.#wanted.add(topic)
    this.#next ??= this.#running.then(
      () => this.#refreshWanted(),
      () => this.#refreshWanted(),
    )
    return this.#next
  }

  /** Describes the named topics, or all; missing ones are left out. */
  async describe(names: readonly string[] | null): Promise<ClusterTopic[]> {
    const response = await this.askAny(
      metadataV12.api,
      names === null ? null : [...names],
      false,
      false,
    )
    this.#learn(response)
    const described: ClusterTopic[] = []
    for (const { errorCode, name, isInternal, partitions } of response.topics) {
      if (name === null || name === undefined) continue
      if (errorCode === CODE.unknownTopicOrPartition || errorCode === CODE.invalidTopic) continue
      if (errorCode !== CODE.none && errorCode !== CODE.leaderNotAvailable) {
        throw refusal(errorCode, `describe the topic ${name}`)
      }
      const ready = partitions.length > 0 && partitions.every((each) => each.leaderId >= 0)
      described.push({ topic: name, partitions: partitions.length, internal: isInternal, ready })
    }
    return described
  }

  /** A cheap question that any broker answers. */
  async probe(): Promise<void> {
    this.#learn(await this.askAny(metadataV12.api, [], false, false))
  }

  /** The broker that coordinates it. Throws `Transient` while there is none. */
  coordinator(name: string, kind: Coordinated = 'group'): Promise<Address> {
    return this.#coordinators.find(name, kind)
  }

  forgetCoordinator(name: string, kind: Coordinated = 'group'): void {
    this.#coordinators.forget(name, kind)
  }

  /** Asks a node. Throws `Transient` when it is not there. */
  ask<Args extends unknown[], Response>(
    lane: Lane,
    node: number,
    api: API<Args, Response>,
    ...args: Args
  ): Promise<Response> {
    const address = this.#brokers.get(node)
    if (address === undefined) {
      return Promise.reject(new Transient(`Kafka's node ${node} is gone from the cluster`))
    }
    return this.#connections.call(lane, address, api, ...args)
  }

  askController<Args extends unknown[], Response>(
    api: API<Args, Response>,
    ...args: Args
  ): Promise<Response> {
    if (!this.#brokers.has(this.#controller)) return this.askAny(api, ...args)
    return this.ask(CONTROL, this.#controller, api, ...args)
  }

  /** Asks the brokers in turn, known ones first, until one answers. */
  async askAny<Args extends unknown[], Response>(
    api: API<Args, Response>,
    ...args: Args
  ): Promise<Response> {
    const tried = new Set<string>()
    let last: unknown
    for (const address of [...this.#brokers.values(), ...this.#bootstrap]) {
      const name = `${address.host}:${address.port}`
      if (tried.has(name)) continue
      tried.add(name)
      try {
        return await this.#connections.call(CONTROL, address, api, ...args)
      } catch (error) {
        if (!(error instanceof Transient)) throw error
        last = error
      }
    }
    throw last
  }

  async #refreshWanted(): Promise<void> {
    const topics = [...this.#wanted]
    this.#wanted = new Set()
    this.#next = undefined
    const asking = this.askAny(metadataV12.api, topics, false, false)
    this.#running = asking
    this.#learn(await asking)
  }

  #learn(response: metadataV12.MetadataResponse): void {
    if (response.brokers.length > 0) this.#brokers.clear()
    for (const { nodeId, host, port } of response.brokers) this.#brokers.set(nodeId, { host, port })
    this.#controller = response.controllerId
    for (const { errorCode, name, partitions } of response.topics) {
      if (name === null || name === undefined) continue
      if (errorCode !== CODE.none) {
        this.#topics.delete(name)
        continue
      }
      const leaders: number[] = []
      for (const each of partitions) leaders[each.partitionIndex] = each.leaderId
      this.#topics.set(name, { leaders, asOf: Date.now() })
    }
  }
}

export function unknownTopic(topic: string): Transient {
  return new Transient(`Kafka has no topic ${topic}; make it with ensureTopic or Kafka's tools`, {
    code: 'FN_BROKER_UNKNOWN_TOPIC',
  })
}

export function unknownPartition({ topic, partition }: TopicPartition, count: number): Transient {
  return new Transient(
    `The topic ${topic} has no partition ${partition}: it has ${count}, numbered from 0`,
    { code: 'FN_BROKER_UNKNOWN_TOPIC' },
  )
}

/** An answer that will be the same next time. */
export function refusal(code: number, what: string): MillraceError {
  return new MillraceError('FN_BROKER_REFUSED', `Kafka refused to ${what}: ${codeName(code)}`, {
    detail: { kafkaCode: code },
  })
}
