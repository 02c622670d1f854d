import { initProducerIdV4 } from '@platformatic/kafka'
import type { Cluster } from './cluster.ts'
import { refusal } from './cluster.ts'
import { CODE, codeName, isTransient } from './protocol-codes.ts'
import type { ProducerIdentity } from './record-encoder.ts'
import { Transient } from './transient.ts'

/**
 * Producer ids for idempotent sends. One serves all partitions; a partition whose send has failed gets
 * another one, because sequence numbers after a gap would be refused.
 */
export class ProducerIdentities {
  readonly #cluster: Cluster
  #current: Promise<ProducerIdentity> | undefined
  #known: ProducerIdentity | undefined

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** The shared identity, a new one where it is the `abandoned` one. Throws `Transient`. */
  get(abandoned: ProducerIdentity | undefined): Promise<ProducerIdentity> {
    if (abandoned !== undefined && abandoned === this.#known) this.#current = undefined
    this.#current ??= this.#make()
    return this.#current
  }

  async #make(): Promise<ProducerIdentity> {
    this.#known = undefined
    try {
      const answer = await this.#cluster.askAny(initProducerIdV4.api, null, 0, -1n, -1)
      if (isTransient(answer.errorCode)) {
        throw new Transient(`Kafka gives no producer id: ${codeName(answer.errorCode)}`)
      }
      if (answer.errorCode !== CODE.none) throw refusal(answer.errorCode, 'give a producer id')
      this.#known = { id: answer.producerId, epoch: answer.producerEpoch }
      return this.#known
    } catch (error) {
      this.#current = undefined
      throw error
    }
  }
}
