import {
  DEFAULT_DELIVERY,
  type Manifest,
  type TriggerManifest,
} from '../../runtime/contract/manifest.ts'

/** One function with one trigger that takes everything. */
export function sampleManifest(name: string, version: string): Manifest {
  return {
    version: 1,
    functions: [
      {
        name,
        namespace: 'events',
        file: `functions/${name}.ts`,
        bundle: `${name}.js`,
        map: `${name}.js.map`,
        version,
        limits: { memoryMiB: 64, cpuMs: 100 },
        batch: { max: 64 },
        triggers: [sampleTrigger(name)],
      },
    ],
  }
}

/** It takes everything for the function of the same name. */
export function sampleTrigger(name: string): TriggerManifest {
  return {
    namespace: 'events',
    name,
    broker: 'events/kafka-broker',
    topic: 'knative-broker-events-kafka-broker',
    group: `knative-trigger-events-${name}`,
    filters: [],
    ordering: 'key',
    concurrency: 64,
    startFrom: 'latest',
    delivery: DEFAULT_DELIVERY,
    subscriber: { kind: 'function', name },
  }
}
