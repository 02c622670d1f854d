/** Brokers with the ConfigMaps that they name. */
import { brokerTopic } from '../../runtime/broker/names.ts'
import type { BrokerManifest } from '../../runtime/contract/topology.ts'
import type { BrokerSpec } from './bodies.ts'
import {
  annotationsOf,
  objectName,
  specOf,
  statusAnnotationsOf,
  within,
  type At,
  type Compilation,
  type Known,
  attempt,
} from './compilation.ts'
import { topicSettings } from './config-map.ts'
import { deliveryOf } from './delivery.ts'

const CLASS = 'eventing.knative.dev/broker.class'
const EXTERNAL_TOPIC = 'kafka.eventing.knative.dev/external.topic'
const STATUS_TOPIC = 'default.topic'

/** What differs from what the class promises; a class that is not here is no log. */
const CLASSES: Readonly<Record<string, string | undefined>> = {
  Kafka: undefined,
  KafkaNamespaced:
    'KafkaNamespaced has a data plane in each namespace; in Millrace this deployment serves all of its brokers',
  MTChannelBasedBroker:
    'MTChannelBasedBroker stands on channels; in Millrace it is a topic of the log, as a Kafka broker is',
}

export function compileBrokers(compilation: Compilation): void {
  for (const known of compilation.of('Broker')) {
    const manifest = brokerManifest(known, compilation)
    if (manifest !== undefined) compilation.brokers.set(manifest.name, manifest)
    // Said where it stands, also while no trigger inherits it.
    const { delivery } = specOf<BrokerSpec>(known)
    if (delivery !== undefined) {
      deliveryOf(delivery, {
        compilation,
        at: { resource: known.resource, path: ['spec', 'delivery'] },
      })
    }
  }
}

function brokerManifest(known: Known, compilation: Compilation): BrokerManifest | undefined {
  const { resource } = known
  const annotations = annotationsOf(known)
  const at: At = { resource, path: ['metadata', 'annotations'] }
  checkClass(annotations[CLASS], compilation, within(at, CLASS))
  const external = annotations[EXTERNAL_TOPIC]
  if (external === '') compilation.error(within(at, EXTERNAL_TOPIC), 'is empty; name a topic')
  const settings = configOf(known, compilation)
  return attempt(compilation, { resource, path: ['metadata', 'name'] }, () => ({
    name: objectName(known),
    topic: external ?? statusAnnotationsOf(known)[STATUS_TOPIC] ?? brokerTopic(resource),
    // Whoever brings a topic made it already.
    ...(external === undefined ? settings : {}),
  }))
}

function checkClass(value: string | undefined, compilation: Compilation, at: At): void {
  if (value === undefined) return
  if (!Object.hasOwn(CLASSES, value)) {
    const list = Object.keys(CLASSES).join(', ')
    compilation.error(
      at,
      `${JSON.stringify(value)} is no class that Millrace stands in for; known are ${list}`,
    )
    return
  }
  const difference = CLASSES[value]
  if (difference !== undefined) compilation.note(at, difference)
}

function configOf(known: Known, compilation: Compilation): ReturnType<typeof topicSettings> {
  const { config } = specOf<BrokerSpec>(known)
  if (config === undefined) return {}
  const at: At = { resource: known.resource, path: ['spec', 'config'] }
  if (config.kind !== 'ConfigMap') {
    compilation.error(
      within(at, 'kind'),
      `must be "ConfigMap", but is ${JSON.stringify(config.kind)}`,
    )
    return {}
  }
  const namespace = config.namespace ?? known.resource.namespace
  const found = compilation.find('ConfigMap', namespace, config.name)
  if (found === undefined) {
    const guess = compilation.guess('ConfigMap', namespace, config.name)
    compilation.note(
      within(at, 'name'),
      `the ConfigMap ${namespace}/${config.name} is not among the files${guess}; the topic gets this deployment's partitions and replication factor`,
    )
    return {}
  }
  return found.broken ? {} : topicSettings(found, compilation)
}
