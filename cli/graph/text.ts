/**
 * A graph as trees for people: the way of events from each broker on. A flow is shown where events first
 * come to it; wherever else they come there, and to a broker, it is referred to.
 */
import { flowLabel, nodeLabel, type Graph, type GraphEdge, type GraphNode } from './graph.ts'
import { treeLines, type Tree } from './tree.ts'

export function graphAsText(graph: Graph): string[] {
  return new Forest(graph).trees().flatMap(treeLines)
}

/** Stands for what is shown elsewhere. */
const SEEN = '↺ '

interface Output {
  kind: GraphEdge['kind']
  tree: Tree
}

class Forest {
  readonly #nodes: ReadonlyMap<string, GraphNode>
  readonly #out: ReadonlyMap<string, GraphEdge[]>
  /** Those that have a tree of their own. */
  readonly #roots: ReadonlySet<string>
  readonly #shown = new Set<string>()

  constructor({ nodes, edges }: Graph) {
    this.#nodes = new Map(nodes.map((node) => [node.id, node]))
    this.#out = Map.groupBy(edges, ({ from }) => from)
    this.#roots = new Set(nodes.filter((node) => this.#isRoot(node)).map(({ id }) => id))
  }

  trees(): Tree[] {
    const trees = [...this.#roots].map((id) => this.#root(id))
    const channels = [...this.#nodes.values()].filter(({ kind }) => kind === 'channel')
    const entriesFirst = channels.toSorted((a, b) => Number(b.entry ?? 0) - Number(a.entry ?? 0))
    for (const { id } of entriesFirst) {
      if (this.#shown.has(id)) continue
      const { label, children } = this.#channel(id)
      trees.push({ label: `${label}  to which nothing leads`, children })
    }
    return trees
  }

  #root(id: string): Tree {
    const readers = this.#edges(id, 'events').map((edge) => this.#reader(edge))
    const nobody: Tree = { label: 'nobody reads it', children: [] }
    return { label: this.#label(id), children: readers.length === 0 ? [nobody] : readers }
  }

  #reader({ to, filter }: GraphEdge): Tree {
    const where = filter === undefined ? '' : `  where ${filter}`
    return {
      label: this.#label(to) + where,
      children: this.#outputs(to).map(({ tree }) => tree),
    }
  }

  /** In the order in which an event meets them. */
  #outputs(from: string, next?: string): Output[] {
    const isHandled = this.#edges(from, 'subscriber').length > 0
    const ways: Record<GraphEdge['kind'], string> = {
      events: '',
      subscriber: '→',
      reply: isHandled ? 'replies →' : '→',
      deadLetters: 'dead letters →',
    }
    return (this.#out.get(from) ?? [])
      .filter(({ kind, to }) => !(kind === 'reply' && to === next))
      .map(({ kind, to }) => {
        const { label, children } = this.#destination(to)
        return { kind, tree: { label: `${ways[kind]} ${label}`, children } }
      })
  }

  #destination(id: string): Tree {
    if (this.#roots.has(id)) return { label: SEEN + this.#label(id), children: [] }
    return this.#nodes.get(id)?.kind === 'channel'
      ? this.#channel(id)
      : { label: this.#label(id), children: [] }
  }

  /** One that is the entry of its flow stands for the flow. */
  #channel(id: string): Tree {
    const node = this.#nodes.get(id)
    const flow = node?.entry === true ? flowLabel(node) : undefined
    const label = flow ?? this.#label(id)
    if (this.#shown.has(id)) return { label: SEEN + label, children: [] }
    this.#shown.add(id)
    return { label, children: this.#steps(id) }
  }

  /** What reads a channel. The steps of a sequence stand one below the other, not ever deeper. */
  #steps(channel: string): Tree[] {
    const readers = this.#edges(channel, 'events').map(({ to }) => to)
    const [only] = readers
    if (only !== undefined && readers.length === 1 && !this.#isFilter(only)) {
      const next = this.#next(only)
      return [this.#step(only, next), ...(next === undefined ? [] : this.#steps(next))]
    }
    return readers.map((reader) => this.#branch(reader))
  }

  /** One of several readers, with what follows from it below it. */
  #branch(id: string): Tree {
    const next = this.#next(id)
    const following = next === undefined ? [] : this.#edges(next, 'events')
    const [only] = following
    if (only === undefined || following.length > 1 || !this.#isFilter(id)) {
      const { label, children } = this.#step(id, next)
      return { label, children: [...children, ...(next === undefined ? [] : this.#steps(next))] }
    }
    const handsOn = this.#edges(id, 'subscriber').length === 0
    const filters = handsOn ? [] : [this.#step(id, next)]
    const outputs = this.#outputs(only.to).map(({ tree }) => tree)
    return { label: this.#label(only.to), children: [...filters, ...outputs] }
  }

  /** On one line with who handles it, or with where it is handed on to. */
  #step(id: string, next: string | undefined): Tree {
    const outputs = this.#outputs(id, next)
    const [first] = outputs
    const isHandled = this.#edges(id, 'subscriber').length > 0
    const taker = first?.kind === (isHandled ? 'subscriber' : 'reply') ? first.tree : undefined
    const rest = outputs.map(({ tree }) => tree).filter((tree) => tree !== taker)
    return {
      label: this.#label(id) + (taker === undefined ? '' : ` ${taker.label}`),
      children: [...(taker?.children ?? []), ...rest],
    }
  }

  /** The channel of the same flow that a step replies into, if it is not shown yet; it is from now on. */
  #next(id: string): string | undefined {
    const edge = this.#edges(id, 'reply').find((reply) => this.#isWithinFlow(reply))
    if (edge === undefined || this.#shown.has(edge.to)) return undefined
    this.#shown.add(edge.to)
    return edge.to
  }

  #edges(from: string, kind: GraphEdge['kind']): GraphEdge[] {
    return this.#out.get(from)?.filter((edge) => edge.kind === kind) ?? []
  }

  #label(id: string): string {
    const node = this.#nodes.get(id)
    return node === undefined ? id : nodeLabel(node)
  }

  #isRoot({ id, kind }: GraphNode): boolean {
    return kind === 'broker' || (kind === 'topic' && this.#edges(id, 'events').length > 0)
  }

  #isFilter(id: string): boolean {
    return this.#nodes.get(id)?.part === 'filter'
  }

  #isWithinFlow({ from, to, kind }: GraphEdge): boolean {
    const [step, channel] = [this.#nodes.get(from), this.#nodes.get(to)]
    if (kind !== 'reply' || channel?.kind !== 'channel' || step?.flow === undefined) return false
    return step.flow === channel.flow && step.flowKind === channel.flowKind
  }
}
