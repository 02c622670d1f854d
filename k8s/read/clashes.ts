/** Triggers that would share a name or a consumer group, and brokers that would share a topic. */
import { quarantineTopic } from '../../runtime/broker/names.ts'
import { triggerName } from '../../runtime/contract/manifest.ts'
import { objectName, type Compilation } from './compilation.ts'

/** What functions declare is compared when both are joined (`topologyOf`). */
export function refuseClashes(compilation: Compilation): void {
  const claims = new Claims()
  for (const [trigger, at] of compilation.triggers) {
    const place = `${at.resource.kind} ${triggerName(trigger)} (${at.resource.place([])})`
    for (const what of [`name ${triggerName(trigger)}`, `consumer group ${trigger.group}`]) {
      const other = claims.claim(what, place)
      if (other === undefined) continue
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
