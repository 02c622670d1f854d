/** Flows that lead back into themselves: an event in one would go round for ever. */
import type { Compilation, Link } from './compilation.ts'
import type { Resource } from './resource.ts'

export function refuseCircles(compilation: Compilation): void {
  const { links } = compilation
  const said = new Set<string>()
  for (const link of links) {
    const back = wayBack(link, links)
    if (back === undefined) continue
    const names = [link.from, ...back.map(({ from }) => from)].map(nameOf)
    const circle = names.toSorted().join(' ')
    if (said.has(circle)) continue
    said.add(circle)
    compilation.error(link.at, `leads in a circle: ${[...names, nameOf(link.from)].join(' → ')}`)
  }
}

/** The shortest one. */
function wayBack(start: Link, links: readonly Link[]): Link[] | undefined {
  const ways = new Map<Resource, Link[]>([[start.to, []]])
  // A map goes on over what is added meanwhile, so this is breadth first.
  for (const [at, way] of ways) {
    if (at === start.from) return way
    for (const link of links) {
      if (link.from === at && !ways.has(link.to)) ways.set(link.to, [...way, link])
    }
  }
  return undefined
}

function nameOf({ kind, namespace, name }: Resource): string {
  return `${kind} ${namespace}/${name}`
}
