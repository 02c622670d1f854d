/** Brokers as others refer to them. */
import { brokerTopic } from '../../runtime/broker/names.ts'
import type { BrokerManifest } from '../../runtime/contract/topology.ts'
import type { BrokerSpec, DeliverySpec } from './bodies.ts'
import { attempt, specOf, type At, type Compilation } from './compilation.ts'

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
  const elsewhere = compilation.guess('Broker', namespace, name)
  if (elsewhere !== '') {
    compilation.note(
      at,
      `there is no Broker ${full} among the resources${elsewhere}; it is taken for one that is declared elsewhere`,
    )
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
  const [namespace = '', name = ''] = broker.split('/')
  const known = compilation.find('Broker', namespace, name)
  if (known === undefined || known.broken) return undefined
  const { delivery } = specOf<BrokerSpec>(known)
  if (delivery === undefined) return undefined
  return { delivery, at: { resource: known.resource, path: ['spec', 'delivery'] } }
}
