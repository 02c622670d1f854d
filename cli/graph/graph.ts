/** Who sends events to whom: a topology as nodes and edges. Its shape is what `fn graph --format json` prints. */
import { triggerName, type TriggerManifest } from '../../runtime/contract/manifest.ts'
import type { Destination } from '../../runtime/contract/subscriber.ts'
import type { FlowStep, Topology } from '../../runtime/contract/topology.ts'
import { filtersInWords } from '../../runtime/filter/in-words.ts'

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

export interface GraphNode {
  /** `kind:name`. */
  id: string
  kind: NodeKind
  name: string
  /** `namespace/name` of the flow that a channel or a step is of. */
  flow?: string
}

export interface GraphEdge {
  from: string
  to: string
  /** `events`: reads it; `subscriber`: who handles them; `reply` and `deadLetters`: where those go. */
  kind: 'events' | 'subscriber' | 'reply' | 'deadLetters'
  /** Filters in words. */
  filter?: string
}

export function graphOf(topology: Topology): Graph {
  return new Drawing(topology).graph()
}

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
    for (const flow of flows) {
      this.#node('channel', flow.entry, flow.name)
      for (const step of flow.steps) this.#step(step, flow.name)
    }
    return { version: 1, nodes: [...this.#nodes.values()], edges: this.#edges }
  }

  #trigger(trigger: TriggerManifest): void {
    const { topic, filters, step, reply = { kind: 'topic', topic } } = trigger
    const name = triggerName(trigger)
    const id = this.#node(step === undefined ? 'trigger' : 'step', name, step?.of)
    const filter = filtersInWords(filters)
    this.#edge({
      from: this.#topic(topic),
      to: id,
      kind: 'events',
      ...(filter === '' ? {} : { filter }),
    })
    this.#output(id, { ...trigger, reply })
  }

  #step(step: FlowStep, flow: string): void {
    const id = this.#node('step', triggerName(step), flow)
    this.#edge({ from: this.#node('channel', step.channel, flow), to: id, kind: 'events' })
    this.#output(id, step)
  }

  #output(from: string, { subscriber, reply, deadLetterSink }: Reader): void {
    const handler = this.#destination(subscriber)
    if (handler !== undefined) this.#edge({ from, to: handler, kind: 'subscriber' })
    const replyTo = this.#destination(reply)
    if (replyTo !== undefined) this.#edge({ from, to: replyTo, kind: 'reply' })
    const sink = deadLetterSink && this.#destination(deadLetterSink)
    if (sink !== undefined) this.#edge({ from, to: sink, kind: 'deadLetters' })
  }

  /** Undefined for what is nobody: dropped, or handed on. */
  #destination(destination: Destination): string | undefined {
    switch (destination.kind) {
      case 'none':
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

  #topic(topic: string): string {
    if (this.#channels.has(topic)) return this.#node('channel', topic)
    const broker = this.#topology.brokers.find((one) => one.topic === topic)
    return broker === undefined ? this.#node('topic', topic) : this.#node('broker', broker.name)
  }

  #node(kind: NodeKind, name: string, flow?: string): string {
    const id = `${kind}:${name}`
    const known = this.#nodes.get(id)
    if (known === undefined) {
      this.#nodes.set(id, { id, kind, name, ...(flow === undefined ? {} : { flow }) })
    } else if (flow !== undefined) {
      known.flow ??= flow
    }
    return id
  }

  #edge(edge: GraphEdge): void {
    this.#edges.push(edge)
  }
}
