/** A graph as a Mermaid flowchart; what is of a flow stands in its frame. */
import { flowLabel, nodeLabel, type Graph, type GraphEdge, type GraphNode } from './graph.ts'

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
  nowhere: ['((', '))'],
}

export function graphAsMermaid({ nodes, edges }: Graph): string[] {
  const numbers = new Map(nodes.map(({ id }, index) => [id, `n${index}`]))
  const shape = (node: GraphNode): string => {
    const [open, close] = SHAPES[node.kind]
    return `${numbers.get(node.id)}${open}${quoted(nodeLabel(node))}${close}`
  }
  const groups = [...Map.groupBy(nodes, flowLabel)]
  return [
    'flowchart LR',
    ...groups.flatMap(([flow, own], index) =>
      flow === undefined
        ? own.map((node) => `  ${shape(node)}`)
        : [
            `  subgraph f${index}[${quoted(flow)}]`,
            ...own.map((node) => `    ${shape(node)}`),
            '  end',
          ],
    ),
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
