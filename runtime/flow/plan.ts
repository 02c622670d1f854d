/**
 * What follows from one trigger within this process: a hop for each step of the flows that its output
 * enters, and for each subscriber that replies or dead letters are sent to.
 */
import { isDeepStrictEqual } from 'node:util'
import { triggerName, type DeliveryPolicy, type TriggerManifest } from '../contract/manifest.ts'
import { destinationName, type Destination, type Subscriber } from '../contract/subscriber.ts'
import type { FlowManifest, FlowStep } from '../contract/topology.ts'
import { isMillraceError, MillraceError } from '../errors.ts'

/** Where output goes: a topic of the log, or an address within this process, which no topic can have. */
export type Address = string

/** Output for it is dropped, and done. */
export const NOWHERE: Address = ':nowhere'

export function isWithinProcess(address: Address): boolean {
  return address.startsWith(':')
}

export interface Hop {
  /** Its name in dead letters (`fnstep`), unique in its namespace. */
  step: string
  /** As if it were a trigger: its name, policy and subscriber; topic and group are the source's. */
  trigger: TriggerManifest
  output: Output
  /** It is given dead letters, and what they say of their failure stays with them. */
  takesDeadLetters: boolean
}

/** `namespace/name` of a hop's step: what dead letters and their replays carry. */
export function stepId(hop: { step: string; trigger: { namespace: string } }): string {
  return `${hop.trigger.namespace}/${hop.step}`
}

/** Where the output of a subscriber goes. */
export interface Output {
  reply: Address
  /** None: to the dead-letter topic. */
  deadLetter: Address | undefined
}

export interface FlowPlan {
  /** Of the trigger's own subscriber. */
  output: Output
  hops: Hop[]
  /** Who takes what is sent to an address within this process. */
  routes: ReadonlyMap<Address, readonly Hop[]>
}

export const DEAD_LETTER_SINK = 'dead-letter-sink'
const REPLY = 'reply'

/** Throws `FN_CONFIG_INVALID` for what cannot run within one process. */
export function planFlow(trigger: TriggerManifest, flows: readonly FlowManifest[]): FlowPlan {
  return new Planner(trigger, flows).plan()
}

/** For dead letters of a step that the trigger's flows no longer have; `step` as `stepId` gives it. */
export function goneHop(source: TriggerManifest, step: string): Hop {
  const slash = step.indexOf('/')
  const [namespace, name] = [step.slice(0, slash), step.slice(slash + 1)]
  const subscriber: Subscriber = { kind: 'function', name }
  const delivery = { ...source.delivery, retry: 0 }
  return {
    step: name,
    trigger: asTrigger(source, { namespace, name, delivery, subscriber }),
    output: { reply: NOWHERE, deadLetter: undefined },
    takesDeadLetters: name === DEAD_LETTER_SINK || name.endsWith(`.${DEAD_LETTER_SINK}`),
  }
}

function asTrigger(
  source: TriggerManifest,
  own: Pick<TriggerManifest, 'namespace' | 'name' | 'delivery' | 'subscriber'>,
): TriggerManifest {
  const { broker, topic, group, topicPrefix, ordering, concurrency, startFrom } = source
  const place = { broker, topic, group, ...(topicPrefix === undefined ? {} : { topicPrefix }) }
  return { ...place, filters: [], ordering, concurrency, startFrom, ...own }
}

/** Whether the same follows from a trigger with these flows as with those. */
export function followsAlike(
  trigger: TriggerManifest,
  some: readonly FlowManifest[],
  others: readonly FlowManifest[],
): boolean {
  if (isDeepStrictEqual(some, others)) return true
  try {
    return isDeepStrictEqual(planFlow(trigger, some), planFlow(trigger, others))
  } catch (error) {
    if (!isMillraceError(error)) throw error
    return false // it is refused when it is opened
  }
}

/** Whoever has output: the trigger itself, or a step. */
interface Owner {
  namespace: string
  /** As the trigger or the step is known. */
  name: string
  /** Put before the names of its hops; empty for the trigger. */
  step: string
  delivery: DeliveryPolicy
  reply: Destination
  deadLetterSink: Destination | undefined
}

class Planner {
  readonly #trigger: TriggerManifest
  readonly #flows: readonly FlowManifest[]
  readonly #hops: Hop[] = []
  readonly #routes = new Map<Address, Hop[]>()
  /** Channels whose steps are being planned, to see circles. */
  readonly #path: string[] = []

  constructor(trigger: TriggerManifest, flows: readonly FlowManifest[]) {
    this.#trigger = trigger
    this.#flows = flows
  }

  plan(): FlowPlan {
    const { namespace, name, delivery, reply, deadLetterSink, step, topic } = this.#trigger
    const output = this.#outputOf({
      namespace,
      name,
      step: step?.name ?? '',
      delivery,
      reply: reply ?? { kind: 'topic', topic },
      deadLetterSink,
    })
    this.#refuseWhatNeedsTheLog()
    return { output, hops: this.#hops, routes: this.#routes }
  }

  #outputOf(owner: Owner): Output {
    const reply = this.#addressOf(owner, owner.reply, (to) => this.#replyHop(owner, to))
    const sink = owner.deadLetterSink
    if (sink === undefined || sink.kind === 'none') return { reply, deadLetter: undefined }
    const deadLetter = this.#addressOf(owner, sink, (to) => this.#sinkHop(owner, to, reply))
    return { reply, deadLetter }
  }

  /** `hopTo`: a subscriber that is named as a destination has a hop of its own. */
  #addressOf(
    owner: Owner,
    destination: Destination,
    hopTo: (subscriber: Subscriber) => Hop,
  ): Address {
    switch (destination.kind) {
      case 'topic':
        return destination.topic
      case 'none':
        return NOWHERE
      case 'channel':
        return this.#channel(owner, destination.channel)
      default: {
        const hop = hopTo(destination)
        const address = `:${triggerName(hop.trigger)}`
        this.#routes.set(address, [hop])
        return address
      }
    }
  }

  /** What such a subscriber replies is dropped, as Knative does. */
  #replyHop(owner: Owner, to: Subscriber): Hop {
    return this.#hop(owner, { suffix: REPLY, to, reply: NOWHERE, takesDeadLetters: false })
  }

  /** What it replies goes where its owner's replies go. */
  #sinkHop(owner: Owner, to: Subscriber, reply: Address): Hop {
    return this.#hop(owner, { suffix: DEAD_LETTER_SINK, to, reply, takesDeadLetters: true })
  }

  #hop(
    { namespace, name, delivery, step }: Owner,
    of: { suffix: string; to: Subscriber; reply: Address; takesDeadLetters: boolean },
  ): Hop {
    const { suffix, to: subscriber, reply, takesDeadLetters } = of
    const hop: Hop = {
      step: step === '' ? suffix : `${step}.${suffix}`,
      trigger: asTrigger(this.#trigger, {
        namespace,
        name: `${name}.${suffix}`,
        delivery,
        subscriber,
      }),
      output: { reply, deadLetter: undefined },
      takesDeadLetters,
    }
    this.#hops.push(hop)
    return hop
  }

  /** All steps that read a channel; each is planned once, however many ways lead to it. */
  #channel(owner: Owner, channel: string): Address {
    const address = `:channel ${channel}`
    if (this.#path.includes(channel)) throw this.#circle(owner, channel)
    if (this.#routes.has(address)) return address
    this.#path.push(channel)
    const readers = this.#flows.flatMap(({ steps }) =>
      steps.filter((one) => one.channel === channel),
    )
    this.#routes.set(
      address,
      readers.map((step) => this.#step(step)),
    )
    this.#path.pop()
    return address
  }

  #step(step: FlowStep): Hop {
    const { namespace, name, delivery, subscriber, reply, deadLetterSink } = step
    const place = this.#hops.length
    const output = this.#outputOf({
      namespace,
      name,
      step: name,
      delivery,
      reply,
      deadLetterSink,
    })
    const hop: Hop = {
      step: name,
      trigger: asTrigger(this.#trigger, { namespace, name, delivery, subscriber }),
      output,
      takesDeadLetters: false,
    }
    // Before those that follow from it.
    this.#hops.splice(place, 0, hop)
    return hop
  }

  /** An event would wait for the end of one that stands behind it. */
  #circle(owner: Owner, channel: string): MillraceError {
    const way = [...this.#path.slice(this.#path.indexOf(channel)), channel].join(' → ')
    return new MillraceError(
      'FN_CONFIG_INVALID',
      `trigger ${triggerName(this.#trigger)}: what ${owner.namespace}/${owner.name} sends comes back to it within one process (${way}); ` +
        'give the flow topics between its steps (durable: each), or another destination',
    )
  }

  #refuseWhatNeedsTheLog(): void {
    const [hop] = this.#hops
    if (hop !== undefined) {
      const to = triggerName(hop.trigger)
      for (const one of [this.#trigger, ...this.#hops.map(({ trigger }) => trigger)]) {
        const reason = needsTheLog(one.delivery)
        if (reason !== undefined) throw this.#refused(one, `output goes to ${to}`, reason)
      }
    }
    const { deadLetterSink, delivery } = this.#trigger
    if (deadLetterSink?.kind === 'topic' && delivery.onDeadLetter === 'park') {
      const way = `dead letters go to ${destinationName(deadLetterSink)}`
      throw this.#refused(this.#trigger, way, PARKS)
    }
  }

  #refused(of: TriggerManifest, way: string, reason: string): MillraceError {
    return new MillraceError(
      'FN_CONFIG_INVALID',
      `${triggerName(of)}: ${reason}, but its ${way}; take one of the two away, or give the flow topics ` +
        'between its steps (durable: each)',
    )
  }
}

const PARKS = 'onDeadLetter: park holds a key back by dead letters in its own topic'

function needsTheLog({ exactlyOnce, onDeadLetter }: DeliveryPolicy): string | undefined {
  if (exactlyOnce) return 'exactlyOnce writes output and progress in one transaction'
  return onDeadLetter === 'park' ? PARKS : undefined
}
