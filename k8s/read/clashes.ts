/** Triggers that would share a name, a group or dead letters, and brokers that would share a topic. */
import { deadLetterTopic, quarantineTopic } from '../../runtime/broker/names.ts'
import { topicPrefixOf, triggerName } from '../../runtime/contract/manifest.ts'
import { objectName, type Compilation } from './compilation.ts'

/** What functions declare is compared when both are joined (`topologyOf`). */
export function refuseClashes(compilation: Compilation): void {
  const claims = new Claims()
  for (const [trigger, at] of compilation.triggers) {
    const place = `${at.resource.kind} ${triggerName(trigger)} (${at.resource.place([])})`
    const source = `${at.resource.kind} ${objectName(at)} (${at.resource.place([])})`
    const sharer = trigger.topicPrefix === undefined ? undefined : source
    for (const [what, owner] of [
      [`name ${triggerName(trigger)}`, place],
      [`consumer group ${trigger.group}`, sharer ?? place],
      [`dead-letter topic ${deadLetterTopic(topicPrefixOf(trigger))}`, place],
    ] as const) {
      const other = claims.claim(what, owner)
      if (other === undefined || other === sharer) continue
      compilation.error(at, `would share the ${what} with ${other}; rename one of them`)
      break
    }
  }
  const declared = new Map(compilation.of('Broker').map((known) => [objectName(known), known]))
  for (const { name, topic } of compilation.brokers.values()) {
    const resource = declared.get(name)?.resource
    for (const what of [`topic ${topic}`, `topic ${quarantineTopic(topic)}`]) {
      const other = claims.claim(what, `the broker ${name}`)
      if (other === undefined || resource === undefined) continue
      const at = { resource, path: ['metadata', 'name'] }
      compilation.error(at, `would share the ${what} with ${other}; rename one of them`)
      break
    }
  }
}

class Claims {
  readonly #owners = new Map<string, string>()

  /** Whose it is already. */
  claim(what: string, owner: string): string | undefined {
    const other = this.#owners.get(what)
    if (other === undefined) this.#owners.set(what, owner)
    return other
  }
}
