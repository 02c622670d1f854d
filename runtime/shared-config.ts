/**
 * The configuration that the controller compiles and the other processes of a deployment follow: the
 * newest record of the deployment in the compacted topic `millrace-config-{namespace}`, keyed by the
 * deployment's name.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import type { AppendRecord, LogRecord } from './contract/broker.ts'
import { isRecord } from './contract/schema-problems.ts'
import type { Topology } from './contract/topology.ts'

/** Raised with every change that an older runtime would misread. */
const FORMAT = 1
/** Larger ones are compressed, to stay below what a broker takes as one record. */
const PLAIN_BYTES = 262_144
/** A configuration is read into memory whole; larger ones are no configuration. */
const MAX_BYTES = 67_108_864

export interface SharedConfig {
  /** Counts the changes of this deployment, from 1. */
  version: number
  topology: Topology
  /** What it was compiled from, for the next controller: the last good version of each resource. */
  resources: ReadonlyArray<Record<string, unknown>>
}

/** One partition: its order is the order of the configurations. */
export const CONFIG_TOPIC_OPTIONS = { partitions: 1, config: { 'cleanup.policy': 'compact' } }

export function configRecord(topic: string, app: string, config: SharedConfig): AppendRecord {
  const text = Buffer.from(JSON.stringify({ format: FORMAT, ...config }))
  const isPlain = text.length <= PLAIN_BYTES
  return {
    topic,
    partitionBy: 0,
    key: app,
    value: isPlain ? text : gzipSync(text),
    headers: [
      ['content-type', 'application/json'],
      ...(isPlain ? [] : ([['content-encoding', 'gzip']] as const)),
    ],
  }
}

/** What a record says, or in words why nothing can be made of it. */
export function readConfig(record: LogRecord): SharedConfig | string {
  const { value, headers } = record
  if (value === null) return 'it is empty'
  const isPacked = headers.some(
    ([name, text]) => name.toString() === 'content-encoding' && text?.toString() === 'gzip',
  )
  let config: unknown
  try {
    const text = isPacked ? gunzipSync(value, { maxOutputLength: MAX_BYTES }) : value
    config = JSON.parse(text.toString())
  } catch (error) {
    return `it cannot be read: ${(error as Error).message}`
  }
  if (!isRecord(config)) return 'it is no configuration'
  const { format, version, topology, resources } = config
  if (format !== FORMAT) {
    return `it has format ${JSON.stringify(format)} and this runtime reads ${FORMAT}; update it`
  }
  if (typeof version !== 'number' || !isTopology(topology)) return 'it is no configuration'
  return {
    version,
    topology,
    resources: Array.isArray(resources) ? resources.filter(isRecord) : [],
  }
}

/** Whether its lists are lists; what stands in them is checked where it is applied. */
function isTopology(value: unknown): value is Topology {
  return (
    isRecord(value) && [value['brokers'], value['triggers'], value['flows']].every(Array.isArray)
  )
}
