/** Names that two would have. Apart from the check of metadata, whose schema takes time to load. */
import { deadLetterTopic, quarantineTopic } from '../broker/names.ts'
import { MillraceError } from '../errors.ts'
import {
  topicPrefixOf,
  triggerName,
  type FunctionManifest,
  type TriggerManifest,
} from './manifest.ts'
import { subscriberName } from './subscriber.ts'

/**
 * Refuses (`FN_NAME_CLASH`, all clashes in one message) functions of one name, triggers that would share
 * one consumer group, but for those of one KafkaSource, and brokers that would share one topic: `a-b/c`
 * and `a/b-c` do.
 */
export function checkNames(
  functions: ReadonlyArray<Pick<FunctionManifest, 'name' | 'file' | 'triggers'>>,
): void {
  const names = new Claims()
  for (const { name, file } of functions) names.claim(`function name ${name}`, file)
  claimTriggers(
    functions.flatMap((one) => one.triggers),
    names,
  )
  names.refuseClashes()
}

/** The part of `checkNames` that is about triggers, wherever they were declared. */
export function checkTriggerNames(triggers: readonly TriggerManifest[]): void {
  const names = new Claims()
  claimTriggers(triggers, names)
  names.refuseClashes()
}

function claimTriggers(triggers: readonly TriggerManifest[], names: Claims): void {
  for (const trigger of triggers) {
    const { group, topicPrefix, wrap, subscriber, declaredIn } = trigger
    const where = declaredIn === undefined ? '' : ` (${declaredIn})`
    const to = subscriber.kind === 'function' ? 'function ' : ''
    const owner = `trigger ${triggerName(trigger)} of ${to}${subscriberName(subscriber)}${where}`
    const isShared = topicPrefix !== undefined && wrap !== undefined
    const source = isShared ? `KafkaSource ${triggerName(wrap)}${where}` : undefined
    if (!names.claim(`consumer group ${group}`, source ?? owner, source)) continue
    names.claim(`dead-letter topic ${deadLetterTopic(topicPrefixOf(trigger))}`, owner)
  }
  for (const [broker, topic] of new Map(triggers.map((one) => [one.broker, one.topic]))) {
    names.claim(`topic ${topic}`, `broker ${broker}`)
    names.claim(`topic ${quarantineTopic(topic)}`, `the quarantine of broker ${broker}`)
  }
}

class Claims {
  readonly #owners = new Map<string, string>()
  readonly #clashes = new Set<string>()

  /** Whether nobody had it, or only `sharer`. */
  claim(name: string, owner: string, sharer?: string): boolean {
    const other = this.#owners.get(name)
    if (other === undefined) this.#owners.set(name, owner)
    if (other === undefined || other === sharer) return true
    this.#clashes.add(`${other} and ${owner} would share the ${name}; rename one of them`)
    return false
  }

  refuseClashes(): void {
    if (this.#clashes.size === 0) return
    throw new MillraceError('FN_NAME_CLASH', [...this.#clashes].join('\n'))
  }
}
