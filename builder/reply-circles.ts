/**
 * Finds functions whose replies come back to them, at once or over others. It knows the types that stand
 * in the sources, and not which of them a handler returns when: what it says is advice.
 */
import {
  triggerName,
  type FunctionManifest,
  type TriggerManifest,
} from '../runtime/contract/manifest.ts'
import { matchPartial, UNKNOWN, type PartialEvent } from '../runtime/filter/partial.ts'
import type { ReplyLiteral } from './reply-literals.ts'

export interface FunctionReplies {
  manifest: FunctionManifest
  replies: readonly ReplyLiteral[]
}

export interface Circle {
  /** Name of the first function in it. */
  function: string
  message: string
}

/** A reply of one function, and a trigger of another one or of its own that takes it. */
interface Link {
  from: FunctionManifest
  to: FunctionManifest
  reply: ReplyLiteral
  trigger: TriggerManifest
  /** Clauses of the trigger's filters that nobody can know; none: it matches for certain. */
  open: string[]
}

/** What publishing fills in where it is left out, from what is not known here. */
const FILLED_IN: ReadonlySet<string> = new Set(['id', 'time', 'datacontenttype', 'partitionkey'])
/** What publishing sets, whatever the handler says. */
const SET: ReadonlySet<string> = new Set(['causationid', 'correlationid', 'millracehops'])

export function findCircles(functions: readonly FunctionReplies[]): Circle[] {
  const brokers = new Set(
    functions.flatMap(({ manifest }) => manifest.triggers.map(({ broker }) => broker)),
  )
  return [...brokers].flatMap((broker) => {
    const links = linksOn(broker, functions)
    return [
      ...links.filter(({ from, to }) => from === to).map(ownCircle),
      ...longCircles(links.filter(({ from, to }) => from !== to)),
    ]
  })
}

/** Replies go to the broker that brought the event. Of links that say the same, one. */
function linksOn(broker: string, functions: readonly FunctionReplies[]): Link[] {
  const links = new Map<string, Link>()
  const onBroker = ({ manifest }: FunctionReplies): TriggerManifest[] =>
    manifest.triggers.filter((trigger) => trigger.broker === broker)
  const subscribers = functions.flatMap((one) =>
    onBroker(one).map((trigger) => ({ to: one.manifest, trigger })),
  )
  for (const one of functions.filter((candidate) => onBroker(candidate).length > 0)) {
    const from = one.manifest
    for (const reply of one.replies) {
      const event = eventOf(reply, from)
      for (const { to, trigger } of subscribers) {
        const { matches, open } = matchPartial(trigger.filters, event)
        if (matches === 'no') continue
        // Which of its triggers makes it reply so, nobody knows.
        if (from.triggers.length > 1) open.push('what it replies to')
        const key = JSON.stringify([from.name, reply.type, triggerName(trigger)])
        const known = links.get(key)
        if (known === undefined || known.open.length > open.length) {
          links.set(key, { from, to, reply, trigger, open })
        }
      }
    }
  }
  return [...links.values()]
}

/** The reply as it will be published, as far as the source says. */
function eventOf({ type, attributes, open }: ReplyLiteral, from: FunctionManifest): PartialEvent {
  return {
    attribute(name) {
      if (name === 'type') return type
      if (name === 'specversion') return '1.0'
      if (SET.has(name)) return UNKNOWN
      if (attributes.has(name)) return attributes.get(name) ?? UNKNOWN
      if (open || FILLED_IN.has(name)) return UNKNOWN
      return name === 'source' ? sourceOf(from) : undefined
    },
    data: attributes.has('data') || open ? 'unknown' : 'none',
  }
}

function sourceOf({ namespace, name }: FunctionManifest): string {
  return `/${namespace}/functions/${name}`
}

function ownCircle({ from, reply, trigger, open }: Link): Circle {
  const which = from.triggers.length > 1 ? `one of its own triggers` : `its own trigger`
  return {
    function: from.name,
    message:
      `${reply.place}: a reply of type ${JSON.stringify(reply.type)} ${verb(open)} ${which}, ${triggerName(trigger)}${unless(open)}, ` +
      `so the function answers itself until the chain is cut after 255 replies. ${advice([from])}`,
  }
}

/** The shortest circle through each link, every circle once. */
function longCircles(links: readonly Link[]): Circle[] {
  const circles = new Map<string, Link[]>()
  for (const link of links) {
    const back = shortestWay(link.to, link.from, links)
    if (back === undefined) continue
    const circle = fromFirstName([link, ...back])
    const key = JSON.stringify(circle.map(({ from }) => from.name))
    circles.set(key, circle)
  }
  return [...circles.values()].map(longCircle)
}

function shortestWay(
  start: FunctionManifest,
  end: FunctionManifest,
  links: readonly Link[],
): Link[] | undefined {
  const ways = new Map<FunctionManifest, Link[]>([[start, []]])
  // A map goes on over what is added meanwhile, so this is breadth first.
  for (const [at, way] of ways) {
    if (at === end) return way
    for (const link of links) {
      if (link.from === at && !ways.has(link.to)) ways.set(link.to, [...way, link])
    }
  }
  return undefined
}

function fromFirstName(circle: readonly Link[]): Link[] {
  const names = circle.map(({ from }) => from.name)
  const first = names.indexOf(names.toSorted()[0] ?? '')
  return [...circle.slice(first), ...circle.slice(0, first)]
}

function longCircle(circle: readonly Link[]): Circle {
  const steps = circle.map(
    ({ reply, trigger, to, open }) =>
      `${reply.place} replies with ${JSON.stringify(reply.type)}, which ${verb(open)} the trigger ${triggerName(trigger)} of ${to.file}${unless(open)}`,
  )
  const functions = circle.map(({ from }) => from)
  return {
    function: functions[0]?.name ?? '',
    message:
      `${steps.join('; ')}: they answer each other in a circle until the chain is cut after 255 replies. ` +
      advice(functions),
  }
}

function verb(open: readonly string[]): string {
  return open.length === 0 ? 'matches' : 'may match'
}

function unless(open: readonly string[]): string {
  return open.length === 0 ? '' : ` (it depends on ${[...new Set(open)].join(', ')})`
}

function advice(functions: readonly FunctionManifest[]): string {
  const last = functions.at(-1)
  const source = last === undefined ? '' : sourceOf(last)
  return `Reply with a type that no trigger of the circle takes, or leave the replies out by a filter: { not: { exact: { source: '${source}' } } }`
}
