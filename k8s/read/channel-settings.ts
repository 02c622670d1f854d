import { parseDuration } from '../../runtime/contract/duration.ts'
import type { BrokerManifest } from '../../runtime/contract/topology.ts'
import type { ChannelSpec } from './bodies.ts'

/** Of a channel's topic, as a KafkaChannel says it. */
export function channelSettings({
  numPartitions,
  replicationFactor,
  retentionDuration,
}: ChannelSpec): Pick<BrokerManifest, 'partitions' | 'replicationFactor' | 'config'> {
  return {
    ...(numPartitions === undefined ? {} : { partitions: numPartitions }),
    ...(replicationFactor === undefined ? {} : { replicationFactor }),
    ...(retentionDuration === undefined
      ? {}
      : { config: { 'retention.ms': String(parseDuration(retentionDuration)) } }),
  }
}
