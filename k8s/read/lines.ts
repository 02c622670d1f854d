/** On which line of a file a field of a document stands. */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Document,
  type LineCounter,
  type Node,
  type YAMLMap,
} from 'yaml'
import type { Path } from './shape.ts'

/** Gives `file:line` of a field, or of the nearest one above it that is there. */
export function linesOf(
  file: string,
  document: Document,
  lines: LineCounter,
): (path: Path) => string {
  return (path) => `${file}:${lines.linePos(offsetOf(document, path)).line}`
}

function offsetOf(document: Document, path: Path): number {
  let node = document.contents
  let offset = startOf(node) ?? 0
  for (const step of path) {
    const next = childOf(resolved(node, document), step, document)
    if (next === undefined) break
    offset = next.offset ?? offset
    node = next.node
  }
  return offset
}

function childOf(
  node: unknown,
  step: string | number,
  document: Document,
): { offset: number | undefined; node: Node | null } | undefined {
  if (isMap<unknown, Node | null>(node)) {
    // The key of a merge is no text but a symbol.
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
    if (pair !== undefined) return { offset: startOf(pair.key), node: pair.value }
    return mergedInto(node, document)
      .map((merged) => childOf(merged, step, document))
      .find((child) => child !== undefined)
  }
  if (isSeq<Node>(node)) {
    const item = node.items[Number(step)]
    return item === undefined ? undefined : { offset: startOf(item), node: item }
  }
  return undefined
}

/** What `<<` brings into a map: one map, or several. */
function mergedInto(map: YAMLMap<unknown, Node | null>, document: Document): unknown[] {
  return map.items
    .filter(({ key }) => isScalar(key) && (key.value === '<<' || typeof key.value === 'symbol'))
    .map(({ value }) => resolved(value, document))
    .flatMap((value) =>
      isSeq<Node>(value) ? value.items.map((item) => resolved(item, document)) : [value],
    )
}

function resolved(node: Node | null, document: Document): unknown {
  return isAlias(node) ? node.resolve(document) : node
}

function startOf(node: unknown): number | undefined {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range)
    ? (node.range[0] as number)
    : undefined
}
