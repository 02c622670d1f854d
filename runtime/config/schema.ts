/**
 * The one schema of the configuration: the type, the check, the defaults, the flags and variables, and
 * `docs/reference/config.md` come from it.
 *
 * It is plain JSON Schema, and typebox gives only its type, because every command loads it: importing
 * typebox takes longer than most commands run.
 */
import type { XStatic } from 'typebox/schema'

/** 1 to 65535. */
const PORT =
  '([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])'
/** As Kubernetes allows it. */
const OBJECT_NAME = '[a-z0-9]([-a-z0-9.]*[a-z0-9])?'

export const CONFIG_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: [
    'brokers',
    'data',
    'host',
    'port',
    'metricsPort',
    'functions',
    'schemas',
    'build',
    'namespace',
    'app',
    'maxEventBytes',
    'maxIngressBufferBytes',
    'maxBufferBytes',
    'maxUnfinishedOffsets',
    'invalidRecords',
    'validate',
    'commitIntervalMs',
    'shutdownDeadlineMs',
    'isolation',
    'role',
    'resourcesFrom',
    'watchNamespaces',
    'logLevel',
    'logFormat',
    'adminSocket',
    'resources',
    'services',
  ],
  properties: {
    brokers: {
      type: 'array',
      items: {
        type: 'string',
        pattern: `^([^\\s,:/]+|\\[[0-9a-fA-F:]+\\]):${PORT}$`,
        description: 'host:port for each broker, for example kafka-0:9092,kafka-1:9092',
      },
      default: [],
      description: 'Kafka brokers as `host:port`, with commas between them. None: the embedded log',
    },
    data: {
      type: 'string',
      minLength: 1,
      default: '.millrace/data',
      description: 'Folder of the embedded log',
    },
    host: {
      type: 'string',
      minLength: 1,
      default: '127.0.0.1',
      description: 'Address that ingress and metrics listen on; `0.0.0.0` is every one',
    },
    port: {
      type: 'integer',
      minimum: 0,
      maximum: 65_535,
      default: 8080,
      description: 'Port of the ingress; 0 is a free one',
    },
    metricsPort: {
      type: 'integer',
      minimum: 0,
      maximum: 65_535,
      default: 8000,
      description: 'Port of `/metrics`, `/healthz` and `/readyz`; 0 is a free one',
    },
    functions: {
      type: 'string',
      minLength: 1,
      default: 'functions',
      description: 'Folder of the function files',
    },
    schemas: {
      type: 'string',
      minLength: 1,
      default: 'schemas',
      description: 'Folder of the JSON Schemas of event types; it need not be there',
    },
    build: {
      type: 'string',
      minLength: 1,
      default: '.millrace/build',
      description: 'Folder that the builder writes and the runtime reads',
    },
    namespace: {
      type: 'string',
      pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
      default: 'default',
      description: 'Namespace of this deployment, part of its membership group',
    },
    app: {
      type: 'string',
      pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
      default: 'millrace',
      description: 'Name of this deployment: processes of one name share the partitions',
    },
    partitions: {
      type: 'integer',
      minimum: 1,
      maximum: 10_000,
      fallback: '10 on Kafka, 4 in the embedded log',
      description: 'Partitions of topics that Millrace makes',
    },
    replicationFactor: {
      type: 'integer',
      minimum: 1,
      maximum: 100,
      fallback: "Kafka's own",
      description: 'Replicas of topics that Millrace makes on Kafka',
    },
    maxEventBytes: {
      type: 'integer',
      minimum: 1_024,
      maximum: 16_777_216,
      default: 983_040,
      description: 'Largest event; above it 413, or `ReplyTooLarge` for a reply',
    },
    maxIngressBufferBytes: {
      type: 'integer',
      minimum: 1_048_576,
      maximum: 17_179_869_184,
      default: 67_108_864,
      description: 'Requests that wait for the log; above it 429 with Retry-After',
    },
    maxBufferBytes: {
      type: 'integer',
      minimum: 1_048_576,
      maximum: 17_179_869_184,
      default: 67_108_864,
      description: 'Events that were read and are not finished; above it reading pauses',
    },
    maxUnfinishedOffsets: {
      type: 'integer',
      minimum: 1_000,
      maximum: 10_000_000,
      default: 65_536,
      description:
        'Offsets from the lowest unfinished one of a trigger in a partition to the next that it reads; when it has so many, the trigger reads no further',
    },
    invalidRecords: {
      type: 'string',
      enum: ['quarantine', 'wrap', 'reject'],
      default: 'quarantine',
      description:
        'Records that are no CloudEvent: kept in the quarantine topic, wrapped into an event as a KafkaSource does, or dropped with a log line',
    },
    validate: {
      type: 'string',
      enum: ['off', 'ingress'],
      default: 'off',
      description:
        'Where the data of events are checked against the schemas: nowhere, or at the ingress, which answers 400 for what does not fit',
    },
    commitIntervalMs: {
      type: 'integer',
      minimum: 10,
      maximum: 60_000,
      default: 500,
      description: 'Longest time between two commits while there is something to commit',
    },
    shutdownDeadlineMs: {
      type: 'integer',
      minimum: 0,
      maximum: 600_000,
      default: 25_000,
      description: 'How long a stop waits for events in flight',
    },
    isolation: {
      type: 'string',
      enum: ['shared', 'dedicated'],
      default: 'shared',
      description: 'Worker processes: one for all functions, or one for each',
    },
    role: {
      type: 'array',
      items: {
        type: 'string',
        enum: ['ingress', 'worker', 'controller'],
        description: 'one or more of ingress, worker and controller',
      },
      minItems: 1,
      default: ['ingress', 'worker'],
      description:
        'What this process does: takes events by HTTP, runs functions, follows the resources of a cluster',
    },
    resourcesFrom: {
      type: 'string',
      enum: ['files', 'cluster'],
      default: 'files',
      description:
        'Where brokers, triggers and flows beside those of functions come from: files, or the configuration that the controller of this deployment writes',
    },
    watchNamespaces: {
      type: 'array',
      items: {
        type: 'string',
        pattern: '^(\\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$',
        description: 'names of namespaces, or * for all of the cluster',
      },
      default: [],
      description:
        "Namespaces whose resources the controller follows; `*`: all of the cluster. None: the deployment's own",
    },
    kubeconfig: {
      type: 'string',
      minLength: 1,
      fallback: "`KUBECONFIG`, `~/.kube/config` or the pod's service account",
      description: 'File by which the controller finds its cluster',
    },
    logLevel: {
      type: 'string',
      enum: ['debug', 'info', 'warn', 'error'],
      default: 'info',
      description: 'Least level of log lines that are written',
    },
    logFormat: {
      type: 'string',
      enum: ['pretty', 'json'],
      fallback: '`pretty` on a terminal, else `json`',
      description: 'Log lines for people or for machines',
    },
    adminSocket: {
      type: 'string',
      minLength: 1,
      default: '.millrace/admin.sock',
      description: 'Unix socket that the operator commands of `fn` use',
    },
    resources: {
      type: 'array',
      items: {
        type: 'string',
        pattern: '^\\S(.*\\S)?$',
        description: 'a file or folder for each entry, for example knative/,triggers.yaml',
      },
      default: [],
      description:
        'Files and folders of Knative resources (`.yaml`, `.yml`, `.json`) that are served beside the functions',
    },
    services: {
      type: 'array',
      items: {
        type: 'string',
        pattern: `^${OBJECT_NAME}/${OBJECT_NAME}=https?://[^\\s/]\\S*$`,
        description:
          'namespace/name=URL for each service, for example events/order-processor=http://127.0.0.1:9000',
      },
      default: [],
      description:
        "Addresses of services that resources name, as `namespace/name=URL`, in place of the cluster's `http://NAME.NAMESPACE.svc.cluster.local`",
    },
  },
} as const

/** Everything that can be configured, with defaults applied; paths are relative to the project. */
export type Config = DeepReadonly<XStatic<typeof CONFIG_SCHEMA>>

type DeepReadonly<T> = {
  readonly [Key in keyof T]: T[Key] extends object ? Readonly<T[Key]> : T[Key]
}

export type ConfigKey = keyof (typeof CONFIG_SCHEMA)['properties']

/** What the schema says of one key, under one type for all kinds. */
export interface KeySchema {
  type: 'string' | 'integer' | 'array'
  description: string
  default?: unknown
  /** In words, where the default depends on the surroundings. */
  fallback?: string
  minimum?: number
  maximum?: number
  minLength?: number
  pattern?: string
  enum?: readonly string[]
  items?:
    | { type: 'string'; pattern: string; description: string }
    | { type: 'string'; enum: readonly string[]; description: string }
  minItems?: number
}

const PROPERTIES: Record<ConfigKey, KeySchema> = CONFIG_SCHEMA.properties

/** Every key, in the order of the reference page. */
export const CONFIG_KEYS = Object.keys(PROPERTIES) as ConfigKey[]

export function isConfigKey(name: string): name is ConfigKey {
  return Object.hasOwn(PROPERTIES, name)
}

export function keySchema(key: ConfigKey): KeySchema {
  return PROPERTIES[key]
}

/** `metricsPort` is `--metrics-port` on the command line. */
export function flagOf(key: ConfigKey): string {
  return `--${words(key).join('-')}`
}

/** `metricsPort` is `MILLRACE_METRICS_PORT` in the environment. */
export function variableOf(key: ConfigKey): string {
  return `MILLRACE_${words(key).join('_').toUpperCase()}`
}

function words(key: ConfigKey): string[] {
  return key.split(/(?=[A-Z])/).map((word) => word.toLowerCase())
}
