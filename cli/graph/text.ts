/** A graph as a tree for people: what each broker's and channel's events lead to. */
import type { Graph, GraphEdge, GraphNode } from './graph.ts'

const SOURCES: ReadonlySet<GraphNode['kind']> = new Set(['broker', 'channel', 'topic'])
const WAYS = { subscriber: '→', reply: 'replies →', deadLetters: 'dead letters →' } as const

export function graphAsText({ nodes, edges }: Graph): string[] {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const named = (id: string): string => {
    const node = byId.get(id)
    return node === undefined ? id : nameOf(node)
  }
  return nodes
    .filter(({ kind }) => SOURCES.has(kind))
    .flatMap((source) => {
      const readers = edges.filter(({ from, kind }) => from === source.id && kind === 'events')
      const lines = readers.flatMap((edge, index) =>
        readerLines(edge, {
          isLast: index === readers.length - 1,
          output: edges.filter(({ from }) => from === edge.to),
          named,
        }),
      )
      const nobody = readers.length === 0 && source.kind === 'broker' ? ['└─ nobody reads it'] : []
      return [withFlow(source), ...lines, ...nobody]
    })
}

interface ReaderContext {
  isLast: boolean
  output: readonly GraphEdge[]
  named: (id: string) => string
}

function readerLines(edge: GraphEdge, { isLast, output, named }: ReaderContext): string[] {
  const filter = edge.filter === undefined ? '' : `  where ${edge.filter}`
  const indent = isLast ? '   ' : '│  '
  return [
    `${isLast ? '└' : '├'}─ ${named(edge.to)}${filter}`,
    ...output.flatMap(({ kind, to }, index) => {
      if (kind === 'events') return []
      const branch = index === output.length - 1 ? '└' : '├'
      return [`${indent}${branch}─ ${WAYS[kind]} ${named(to)}`]
    }),
  ]
}

function withFlow(node: GraphNode): string {
  return node.flow === undefined ? nameOf(node) : `${nameOf(node)}  of ${node.flow}`
}

function nameOf({ kind, name }: GraphNode): string {
  return kind === 'http' ? name : `${kind} ${name}`
}
