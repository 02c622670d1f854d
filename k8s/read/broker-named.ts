/** Brokers as others refer to them. */
import { brokerTopic } from '../../runtime/broker/names.ts'
import type { BrokerManifest } from '../../runtime/contract/topology.ts'
import type { BrokerSpec, DeliverySpec } from './bodies.ts'
import { attempt, objectName, specOf, type At, type Compilation } from './compilation.ts'

/**
 * The broker that somebody names. One that is declared nowhere is taken for one that stands in other
 * files, unless its namespace declares others: then it is a slip.
 */
export function brokerNamed(
  { namespace, name }: { namespace: string; name: string },
  compilation: Compilation,
  at: At,
): BrokerManifest | undefined {
  const full = `${namespace}/${name}`
  const declared = compilation.brokers.get(full)
  if (declared !== undefined) return declared
  // It is wrong itself, which is said there.
  if (compilation.find('Broker', namespace, name) !== undefined) return undefined
  const others = compilation.known.some(
    ({ kind, resource }) => kind === 'Broker' && resource.namespace === namespace,
  )
  if (others) {
    const guess = compilation.guess('Broker', namespace, name)
    compilation.error(at, `there is no Broker ${full}${guess}`)
    return undefined
  }
  return attempt(compilation, at, () => {
    const manifest = { name: full, topic: brokerTopic({ namespace, name }) }
    compilation.brokers.set(full, manifest)
    return manifest
  })
}

/** What triggers without a `delivery` of their own inherit, and where it stands. */
export function brokerDelivery(
  broker: string,
  compilation: Compilation,
): { delivery: DeliverySpec; at: At } | undefined {
  const known = compilation.of('Broker').find((one) => objectName(one) === broker)
  const delivery = known && specOf<BrokerSpec>(known).delivery
  if (known === undefined || delivery === undefined) return undefined
  return { delivery, at: { resource: known.resource, path: ['spec', 'delivery'] } }
}
