/** A graph as a Mermaid flowchart. */
import type { Graph, GraphEdge, GraphNode } from './graph.ts'

/** Opening and closing of each shape. */
const SHAPES: Record<GraphNode['kind'], readonly [string, string]> = {
  broker: ['[(', ')]'],
  channel: ['([', '])'],
  topic: ['[(', ')]'],
  trigger: ['{{', '}}'],
  step: ['{{', '}}'],
  function: ['[', ']'],
  http: ['[/', '/]'],
  transform: ['[', ']'],
}

export function graphAsMermaid({ nodes, edges }: Graph): string[] {
  const numbers = new Map(nodes.map(({ id }, index) => [id, `n${index}`]))
  return [
    'flowchart LR',
    ...nodes.map(({ id, kind, name }) => {
      const [open, close] = SHAPES[kind]
      return `  ${numbers.get(id)}${open}${quoted(`${kind} ${name}`)}${close}`
    }),
    ...edges.map((edge) => `  ${numbers.get(edge.from)} ${arrow(edge)} ${numbers.get(edge.to)}`),
  ]
}

function arrow({ kind, filter }: GraphEdge): string {
  switch (kind) {
    case 'events':
      return filter === undefined ? '-->' : `-->|${quoted(filter)}|`
    case 'subscriber':
      return '==>'
    case 'reply':
      return '-->|reply|'
    case 'deadLetters':
      return '-.->|dead letters|'
  }
}

/** Mermaid has entities in place of escapes. */
function quoted(text: string): string {
  const safe = text
    .replaceAll('#', '#35;')
    .replaceAll('"', '#quot;')
    .replaceAll(/[\r\n]+/g, ' ')
  return `"${safe}"`
}
