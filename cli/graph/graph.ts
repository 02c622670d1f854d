/** Who sends events to whom: a topology as nodes and edges. Its shape is what `fn graph --format json` prints. */
import {
  topicPrefixOf,
  triggerName,
  type TriggerManifest,
} from '../../runtime/contract/manifest.ts'
import type { Destination } from '../../runtime/contract/subscriber.ts'
import type { FlowManifest, FlowStep, Topology } from '../../runtime/contract/topology.ts'
import { deadLetterTopic } from '../../runtime/broker/names.ts'
import { filtersInWords } from '../../runtime/filter/in-words.ts'
import { partOfStep, partOfTrigger, type FlowPart } from './flow-part.ts'

export interface Graph {
  version: 1
  nodes: GraphNode[]
  edges: GraphEdge[]
}

export type NodeKind =
  | 'broker'
  /** Between the steps of a flow: within a process, or a topic. */
  | 'channel'
  | 'topic'
  | 'trigger'
  | 'step'
  | 'function'
  | 'http'
  | 'transform'
  /** What goes there is dropped. */
  | 'nowhere'

export interface GraphNode {
  /** `kind:name`. */
  id: string
  kind: NodeKind
  name: string
  /** `namespace/name` of the flow that a channel or a step is of. */
  flow?: string
  flowKind?: FlowManifest['kind']
  /** Of a step: what it is there. What the filter of a parallel replies is what its branch gets. */
  part?: FlowPart['part']
  /** Of a channel: it takes the flow's events. */
  entry?: true
}

export interface GraphEdge {
  from: string
  to: string
  /**
   * `events`: reads it; `subscriber`: who handles them, and without one they are handed on to where the
   * replies go; `reply` and `deadLetters`: where those go. A step with no edge for its dead letters sends
   * them where those of the trigger go that led to it.
   */
  kind: 'events' | 'subscriber' | 'reply' | 'deadLetters'
  /** Filters in words. */
  filter?: string
}

export function graphOf(topology: Topology): Graph {
  return new Drawing(topology).graph()
}

/** What a node is called in print. */
export function nodeLabel({ kind, name, part }: GraphNode): string {
  return kind === 'http' || kind === 'nowhere' ? name : `${part ?? kind} ${name}`
}

/** What its flow is called in print; undefined for what is of none. */
export function flowLabel({ flow, flowKind }: GraphNode): string | undefined {
  if (flow === undefined) return undefined
  return `${FLOW_WORDS[flowKind ?? 'Sequence']} ${flow}`
}

const FLOW_WORDS: Record<FlowManifest['kind'], string> = {
  Sequence: 'sequence',
  Parallel: 'parallel',
  EventTransform: 'transformation',
}

type NodePart = Pick<GraphNode, 'flow' | 'flowKind' | 'part' | 'entry'>
type Reader = Pick<TriggerManifest, 'subscriber' | 'deadLetterSink'> & { reply: Destination }

class Drawing {
  readonly #topology: Topology
  readonly #nodes = new Map<string, GraphNode>()
  readonly #edges: GraphEdge[] = []
  /** Topics that are channels of flows. */
  readonly #channels: ReadonlySet<string>

  constructor(topology: Topology) {
    this.#topology = topology
    const steps = topology.triggers.filter(({ step }) => step !== undefined)
    this.#channels = new Set(steps.map(({ topic }) => topic))
  }

  graph(): Graph {
    const { brokers, triggers, flows } = this.#topology
    for (const { topic } of brokers) this.#topic(topic)
    for (const trigger of triggers) this.#trigger(trigger)
    for (const flow of flows) for (const step of flow.steps) this.#step(step, flow)
    return { version: 1, nodes: [...this.#nodes.values()], edges: this.#edges }
  }

  #trigger(trigger: TriggerManifest): void {
    const { topic, filters, step, deadLetterSink } = trigger
    const part = step === undefined ? undefined : partOfTrigger(trigger)
    const id = this.#node(
      step === undefined ? 'trigger' : 'step',
      triggerName(trigger),
      part && stepPart(part),
    )
    const filter = filtersInWords(filters)
    this.#edge({
      from: this.#topic(topic, part && channelPart(part)),
      to: id,
      kind: 'events',
      ...(filter === '' ? {} : { filter }),
    })
    const ownLetters: Destination = {
      kind: 'topic',
      topic: deadLetterTopic(topicPrefixOf(trigger)),
    }
    const hasSink = deadLetterSink !== undefined && deadLetterSink.kind !== 'none'
    this.#output(id, {
      subscriber: trigger.subscriber,
      reply: trigger.reply ?? { kind: 'topic', topic },
      deadLetterSink: hasSink ? deadLetterSink : ownLetters,
    })
  }

  #step(step: FlowStep, flow: FlowManifest): void {
    const part = partOfStep(step, flow)
    const id = this.#node('step', triggerName(step), stepPart(part))
    const from = this.#node('channel', step.channel, channelPart(part))
    this.#edge({ from, to: id, kind: 'events' })
    const { deadLetterSink, ...output } = step
    const hasSink = deadLetterSink !== undefined && deadLetterSink.kind !== 'none'
    this.#output(id, hasSink ? { ...output, deadLetterSink } : output)
  }

  #output(from: string, { subscriber, reply, deadLetterSink }: Reader): void {
    const handler = this.#destination(subscriber)
    if (handler !== undefined) this.#edge({ from, to: handler, kind: 'subscriber' })
    const replyTo = this.#destination(reply)
    if (replyTo !== undefined) this.#edge({ from, to: replyTo, kind: 'reply' })
    const sink = deadLetterSink && this.#destination(deadLetterSink)
    if (sink !== undefined) this.#edge({ from, to: sink, kind: 'deadLetters' })
  }

  /** Undefined for what is nobody: events are handed on. */
  #destination(destination: Destination): string | undefined {
    switch (destination.kind) {
      case 'none':
        return this.#node('nowhere', 'nowhere')
      case 'pass':
        return undefined
      case 'topic':
        return this.#topic(destination.topic)
      case 'channel':
        return this.#node('channel', destination.channel)
      case 'http':
        return this.#node('http', destination.url)
      case 'function':
      case 'transform':
        return this.#node(destination.kind, destination.name)
    }
  }

  #topic(topic: string, part?: NodePart): string {
    if (this.#channels.has(topic)) return this.#node('channel', topic, part)
    const broker = this.#topology.brokers.find((one) => one.topic === topic)
    return broker === undefined ? this.#node('topic', topic) : this.#node('broker', broker.name)
  }

  /** One that was named before it was known what it is part of learns it later. */
  #node(kind: NodeKind, name: string, part?: NodePart): string {
    const id = `${kind}:${name}`
    const known = this.#nodes.get(id)
    this.#nodes.set(id, { ...(known ?? { id, kind, name }), ...part })
    return id
  }

  #edge(edge: GraphEdge): void {
    this.#edges.push(edge)
  }
}

function stepPart({ flow, flowKind, part }: FlowPart): NodePart {
  return { flow, flowKind, part }
}

/** Of the channel that it reads. */
function channelPart({ flow, flowKind, isEntry }: FlowPart): NodePart {
  return isEntry ? { flow, flowKind, entry: true } : { flow, flowKind }
}
