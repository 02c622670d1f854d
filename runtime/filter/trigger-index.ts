import type { Event } from '../contract/event.ts'
import type { Filter } from '../contract/metadata.ts'
import { toClauses } from './clause.ts'
import type { Requirements } from './combine.ts'
import { attributeText, type CompiledFilter, compileClauses } from './compile.ts'
import { LazyData } from './lazy-data.ts'
import { requirementsOf } from './requirements.ts'

export interface IndexedTrigger<T> {
  filters: readonly Filter[]
  value: T
}

interface Entry<T> {
  position: number
  filter: CompiledFilter
  value: T
}

interface AttributeIndex<T> {
  attribute: string
  /** The attribute's text to the triggers that can match it. */
  entries: Map<string, Array<Entry<T>>>
}

/** Where several attributes would split equally well. */
const PREFERRED = ['type', 'source', 'subject']

/**
 * Finds, for each event, the triggers that match. A trigger that demands exact values of an attribute
 * is looked up by them, so a thousand triggers on a thousand types cost about as much as one; the
 * others are tried one by one. Whoever is found still runs the whole filter.
 */
export class TriggerIndex<T> {
  readonly #indexes: Array<AttributeIndex<T>> = []
  readonly #scanned: Array<Entry<T>> = []

  /** Throws `FN_FILTER_INVALID` for a filter without a known dialect. */
  constructor(triggers: ReadonlyArray<IndexedTrigger<T>>) {
    const clauses = triggers.map(({ filters }) => toClauses(filters))
    const required = clauses.map(requirementsOf)
    const crowds = countCrowds(required)
    triggers.forEach(({ value }, position) => {
      const entry = { position, value, filter: compileClauses(clauses[position] ?? []) }
      this.#add(entry, required[position] ?? new Map(), crowds)
    })
  }

  /** The values of the triggers that match, in the order in which the index was given them. */
  match(event: Event): T[] {
    const data = new LazyData(event)
    const found: Array<Entry<T>> = []
    for (const { attribute, entries } of this.#indexes) {
      const text = attributeText(event.attributes, attribute)
      const candidates = text === undefined ? undefined : entries.get(text)
      if (candidates !== undefined) collect(candidates, found, data)
    }
    collect(this.#scanned, found, data)
    if (found.length > 1) found.sort((a, b) => a.position - b.position)
    return found.map((entry) => entry.value)
  }

  #add(entry: Entry<T>, required: Requirements, crowds: Map<string, number>): void {
    const attribute = mostSelective(required, crowds)
    if (attribute === undefined) {
      this.#scanned.push(entry)
      return
    }
    let index = this.#indexes.find((one) => one.attribute === attribute)
    if (index === undefined) {
      index = { attribute, entries: new Map() }
      this.#indexes.push(index)
    }
    for (const text of required.get(attribute) ?? []) {
      const entries = index.entries.get(text)
      if (entries === undefined) index.entries.set(text, [entry])
      else entries.push(entry)
    }
  }
}

function collect<T>(
  candidates: ReadonlyArray<Entry<T>>,
  found: Array<Entry<T>>,
  data: LazyData,
): void {
  for (const candidate of candidates) {
    if (candidate.filter.matches(data.event, data)) found.push(candidate)
  }
}

/** How many triggers share each attribute and text. */
function countCrowds(all: readonly Requirements[]): Map<string, number> {
  const crowds = new Map<string, number>()
  for (const required of all) {
    for (const [attribute, texts] of required) {
      for (const text of texts) {
        const key = crowdKey(attribute, text)
        crowds.set(key, (crowds.get(key) ?? 0) + 1)
      }
    }
  }
  return crowds
}

/**
 * The attribute under which a trigger meets the fewest others: a thousand tenants with one event type
 * are told apart by their tenant.
 */
function mostSelective(required: Requirements, crowds: Map<string, number>): string | undefined {
  const ranked = [...required].map(([attribute, texts]) => ({
    attribute,
    crowd: Math.max(0, ...[...texts].map((text) => crowds.get(crowdKey(attribute, text)) ?? 0)),
    rank: PREFERRED.includes(attribute) ? PREFERRED.indexOf(attribute) : PREFERRED.length,
  }))
  ranked.sort((a, b) => a.crowd - b.crowd || a.rank - b.rank)
  return ranked[0]?.attribute
}

function crowdKey(attribute: string, text: string): string {
  return `${attribute} ${text}`
}
