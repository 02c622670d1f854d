/** What is demanded of attributes, so that a trigger can be looked up by their texts. */

/** Attribute to the only texts with which a filter can match. */
export type Requirements = Map<string, Set<string>>

/** Both hold: of an attribute that both demand, the texts that both take. */
export function bothOf(first: Requirements, second: Requirements): Requirements {
  const both: Requirements = new Map(first)
  for (const [attribute, texts] of second) {
    const already = both.get(attribute)
    both.set(
      attribute,
      already === undefined ? texts : new Set([...already].filter((text) => texts.has(text))),
    )
  }
  return both
}

/** One of them holds: of an attribute that one leaves open, nothing is known. */
export function eitherOf(all: readonly Requirements[]): Requirements {
  const either: Requirements = new Map()
  for (const attribute of all[0]?.keys() ?? []) {
    const texts = all.map((one) => one.get(attribute))
    if (texts.includes(undefined)) continue
    either.set(attribute, new Set(texts.flatMap((some) => [...(some ?? [])])))
  }
  return either
}
