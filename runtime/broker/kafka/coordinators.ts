/** Who coordinates which group and which transactions: asked once, for all who ask at about one time. */
import type { findCoordinatorV4 } from '@platformatic/kafka'
import type { Address } from './connections.ts'
import { CODE, codeName, isTransient } from './protocol-codes.ts'
import { Transient } from './transient.ts'

/** Kafka's numbers for what a coordinator is asked for. */
const KEY_TYPES = { group: 0, transaction: 1 } as const

/** A group by its name, or transactions by their transactional id. */
export type Coordinated = keyof typeof KEY_TYPES

type Found = findCoordinatorV4.FindCoordinatorResponseCoordinator

export interface CoordinatorsOptions {
  ask: (keyType: number, names: string[]) => Promise<findCoordinatorV4.FindCoordinatorResponse>
  /** An answer that will be the same next time. */
  refusal: (code: number, what: string) => Error
}

export class Coordinators {
  readonly #options: CoordinatorsOptions
  readonly #kinds = { group: new Kind(), transaction: new Kind() }

  constructor(options: CoordinatorsOptions) {
    this.#options = options
  }

  /** Throws `Transient` while there is none. */
  async find(name: string, kind: Coordinated): Promise<Address> {
    const { known } = this.#kinds[kind]
    const before = known.get(name)
    if (before !== undefined) return before
    const found = (await this.#look(name, kind)).get(name)
    if (found === undefined || isTransient(found.errorCode)) {
      throw new Transient(
        `The ${kind} ${name} has no coordinator: ${codeName(found?.errorCode ?? -1)}`,
      )
    }
    if (found.errorCode !== CODE.none) {
      throw this.#options.refusal(found.errorCode, `find the coordinator of the ${kind} ${name}`)
    }
    const address = { host: found.host, port: found.port }
    known.set(name, address)
    return address
  }

  forget(name: string, kind: Coordinated): void {
    this.#kinds[kind].known.delete(name)
  }

  /** What comes while a request is on its way goes into the next one. */
  #look(name: string, kind: Coordinated): Promise<Map<string, Found>> {
    const state = this.#kinds[kind]
    state.wanted.add(name)
    state.next ??= state.running.then(async () => {
      const names = [...state.wanted]
      state.wanted.clear()
      state.next = undefined
      const asking = this.#options.ask(KEY_TYPES[kind], names)
      state.running = asking.catch(() => {}) // its callers have it
      return new Map((await asking).coordinators.map((found) => [found.key, found]))
    })
    return state.next
  }
}

class Kind {
  readonly known = new Map<string, Address>()
  readonly wanted = new Set<string>()
  next: Promise<Map<string, Found>> | undefined
  running: Promise<unknown> = Promise.resolve()
}
