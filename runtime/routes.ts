/** What a topology says about the way of an event; the stages ask here. Another topology is another one of these. */
import { isDeepStrictEqual } from 'node:util'
import type { TopicOptions } from './contract/broker.ts'
import type { Event } from './contract/event.ts'
import { triggerName, type TriggerManifest } from './contract/manifest.ts'
import type { BrokerManifest, Topology } from './contract/topology.ts'
import { TriggerIndex } from './filter/trigger-index.ts'
import { followsAlike } from './flow/plan.ts'

/** Names, sorted. */
export interface TopologyChange {
  added: string[]
  /** Other filters, delivery, subscriber, or a flow that follows. */
  changed: string[]
  removed: string[]
  brokersAdded: string[]
  brokersRemoved: string[]
}

export class Routes {
  readonly topology: Topology
  /**
   * One object for each trigger, the same as before if nothing but its filters changed, nor what follows
   * from it: whoever handles
   * its events need not hear of that.
   */
  readonly triggers: readonly TriggerManifest[]
  readonly #indexes = new Map<string, TriggerIndex<TriggerManifest>>()
  readonly #brokers: Map<string, BrokerManifest>
  readonly #wraps = new Map<string, TriggerManifest['wrap']>()

  /** Throws `FN_FILTER_INVALID`. */
  constructor(topology: Topology, before?: Routes) {
    this.topology = topology
    this.#brokers = new Map(topology.brokers.map((broker) => [broker.name, broker]))
    const known = new Map(before?.triggers.map((trigger) => [triggerName(trigger), trigger]))
    const entries = topology.triggers.map((trigger) => {
      const same = known.get(triggerName(trigger))
      const isSame =
        same !== undefined &&
        isDeepStrictEqual(handling(same), handling(trigger)) &&
        followsAlike(trigger, before?.topology.flows ?? [], topology.flows)
      // A new object also for the same manifest: what follows from it is another.
      return { filters: trigger.filters, value: isSame ? same : { ...trigger } }
    })
    this.triggers = entries.map(({ value }) => value)
    for (const { topic, wrap } of this.triggers)
      if (wrap !== undefined) this.#wraps.set(topic, wrap)
    for (const [topic, own] of Map.groupBy(entries, ({ value }) => value.topic)) {
      this.#indexes.set(topic, new TriggerIndex(own))
    }
  }

  /** Which of a topic's triggers an event is for. */
  match(topic: string, event: Event): readonly TriggerManifest[] {
    return this.#indexes.get(topic)?.match(event) ?? []
  }

  topicOf(namespace: string, name: string): string | undefined {
    return this.#brokers.get(`${namespace}/${name}`)?.topic
  }

  /** The KafkaSource that reads this topic. */
  kafkaSourceOf(topic: string): TriggerManifest['wrap'] {
    return this.#wraps.get(topic)
  }

  /** `namespace/name`. */
  brokerNames(): string[] {
    return [...this.#brokers.keys()]
  }

  /** All that are read or taken events for. */
  topics(): string[] {
    const read = this.triggers.map(({ topic }) => topic)
    return [...new Set([...this.topology.brokers.map(({ topic }) => topic), ...read])]
  }

  /** How a topic is made, as far as its broker says. */
  topicOptions(topic: string): TopicOptions {
    const broker = this.topology.brokers.find((one) => one.topic === topic)
    const { partitions, replicationFactor, config } = broker ?? {}
    return {
      ...(partitions === undefined ? {} : { partitions }),
      ...(replicationFactor === undefined ? {} : { replicationFactor }),
      ...(config === undefined ? {} : { config }),
    }
  }

  /** What is another since `before`. */
  changeSince(before: Routes): TopologyChange {
    const old = new Map(before.topology.triggers.map((one) => [triggerName(one), one]))
    const now = new Map(this.topology.triggers.map((one) => [triggerName(one), one]))
    const isChanged = ([name, trigger]: [string, TriggerManifest]): boolean => {
      const was = old.get(name)
      if (was === undefined) return false
      if (!isDeepStrictEqual(declared(was), declared(trigger))) return true
      return !followsAlike(trigger, before.topology.flows, this.topology.flows)
    }
    const [brokers, formerBrokers] = [this.brokerNames(), before.brokerNames()]
    return {
      added: [...now.keys()].filter((name) => !old.has(name)).toSorted(),
      changed: [...now]
        .filter(isChanged)
        .map(([name]) => name)
        .toSorted(),
      removed: [...old.keys()].filter((name) => !now.has(name)).toSorted(),
      brokersAdded: brokers.filter((name) => !formerBrokers.includes(name)).toSorted(),
      brokersRemoved: formerBrokers.filter((name) => !brokers.includes(name)).toSorted(),
    }
  }
}

/** Where it was declared is for people only. */
function declared(trigger: TriggerManifest): Omit<TriggerManifest, 'declaredIn'> {
  const { declaredIn, ...rest } = trigger
  return declaredIn === undefined ? trigger : rest
}

function handling(trigger: TriggerManifest): TriggerManifest {
  return { ...declared(trigger), filters: [] }
}
