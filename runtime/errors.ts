/**
 * Every error that Millrace raises, in one table.
 *
 * A code is `FN_<STAGE>_<WHAT>` and is never reused. `retry` says what the delivery does when the error
 * ends an attempt: `backoff` follows the trigger's retry policy, `never` goes to the dead letter at once.
 * The message names the offending value and the next step.
 */
export interface ErrorEntry {
  retry: 'never' | 'backoff'
  /** One sentence for the reference page: when it happens. */
  when: string
}

export const ERRORS = {
  // contract and codec
  FN_EVENT_INVALID: { retry: 'never', when: 'Bytes or a request are not a CloudEvent 1.0.' },
  FN_EVENT_TOO_LARGE: { retry: 'never', when: 'An event is larger than `maxEventBytes`.' },
  FN_EVENT_UNSUPPORTED_MEDIA_TYPE: {
    retry: 'never',
    when: 'A CloudEvents media type whose format Millrace does not speak, such as `+avro`.',
  },
  FN_EVENT_SCHEMA: {
    retry: 'never',
    when: 'The data of an event do not fit the schema of its type, where `validate` asks for that.',
  },
  FN_DATA_INVALID: {
    retry: 'never',
    when: 'A handler read `event.data` and its JSON does not parse (`InvalidData`).',
  },

  // broker
  FN_BROKER_UNAVAILABLE: { retry: 'backoff', when: 'The log does not answer.' },
  FN_BROKER_APPEND_FAILED: {
    retry: 'backoff',
    when: 'A record is not known to be durable: refused, or its answer did not come in time.',
  },
  FN_BROKER_OFFSET_OUT_OF_RANGE: {
    retry: 'never',
    when: 'A read from an offset that the log does not hold; nothing moves silently.',
  },
  FN_BROKER_STALE_EPOCH: {
    retry: 'never',
    when: 'A commit by a process that no longer owns the partition.',
  },
  FN_BROKER_FENCED: {
    retry: 'backoff',
    when: 'A transaction of a writer whose transactional id another one has opened since.',
  },
  FN_BROKER_TRANSACTION_FAILED: {
    retry: 'backoff',
    when: 'A transaction was not committed, or its answer did not come in time.',
  },
  FN_BROKER_CONFLICT: {
    retry: 'backoff',
    when: 'Somebody else wrote between reading and writing; read again.',
  },
  FN_BROKER_COMMIT_REFUSED: {
    retry: 'backoff',
    when: 'A group refused a commit, for example because it has members (a Knative dispatcher runs).',
  },
  FN_BROKER_UNKNOWN_TOPIC: { retry: 'backoff', when: 'A topic or partition that is not there.' },
  FN_BROKER_LOG_IN_USE: {
    retry: 'never',
    when: 'A second process opens the embedded log that another one holds.',
  },
  FN_BROKER_REFUSED: {
    retry: 'backoff',
    when: 'The log refuses a request as it is: not authorised, against a policy, or invalid.',
  },
  FN_BROKER_CLOSED: { retry: 'never', when: 'A call to a broker that was closed.' },

  // HTTP, at the ingress and the health server
  FN_HTTP_MALFORMED: { retry: 'never', when: 'Bytes that are no HTTP request, or a broken URL.' },
  FN_HTTP_NOT_FOUND: { retry: 'never', when: 'A path or broker that is not there (404).' },
  FN_HTTP_METHOD_NOT_ALLOWED: {
    retry: 'never',
    when: 'A path asked with a method that it does not take (405).',
  },
  FN_HTTP_LISTEN: { retry: 'never', when: 'A port that cannot be opened.' },
  FN_HTTP_INTERNAL: { retry: 'backoff', when: 'A fault of Millrace while it answered (500).' },
  FN_INGRESS_BUSY: {
    retry: 'backoff',
    when: 'The ingress holds as many bytes as it may (`maxBufferBytes`); Retry-After says when.',
  },
  FN_INGRESS_DRAINING: { retry: 'backoff', when: 'An event sent to a runtime that is stopping.' },

  // configuration and names
  FN_CONFIG_INVALID: { retry: 'never', when: 'A flag, variable or configuration key is wrong.' },
  FN_CLUSTER_CONFIG: {
    retry: 'never',
    when: 'The controller role finds no Kubernetes cluster: no kubeconfig, no service account.',
  },
  FN_NAME_INVALID: {
    retry: 'never',
    when: 'A broker, trigger or function name that cannot be used.',
  },
  FN_NAME_CLASH: {
    retry: 'never',
    when: 'Two brokers or triggers would share one topic or one consumer group.',
  },

  // Kubernetes resources
  FN_RESOURCE_INVALID: {
    retry: 'never',
    when: 'YAML that cannot be read, or a resource that is wrong; every line names its place.',
  },

  // builder
  FN_BUILD_FAILED: { retry: 'never', when: 'esbuild could not bundle a function.' },
  FN_BUILD_FORBIDDEN_IMPORT: {
    retry: 'never',
    when: 'A function imports a Node built-in, which an isolate does not have.',
  },
  FN_SCHEMA_INVALID: {
    retry: 'never',
    when: 'A file of `schemas/`, or a schema in the metadata, is no JSON Schema, refers to what is not there, or contradicts another one of its type.',
  },
  FN_METADATA_INVALID: { retry: 'never', when: "A function's `metadata` breaks the schema." },
  FN_FILTER_INVALID: {
    retry: 'never',
    when: 'A filter that means nothing, such as an empty value, or a CESQL expression with a fault.',
  },
  FN_MANIFEST_INVALID: {
    retry: 'never',
    when: 'The built manifest is missing, damaged, or of another version.',
  },

  // handlers: the class names that dead letters and `fn invoke` show stand in `HandlerFault`
  FN_HANDLER_THREW: { retry: 'backoff', when: 'A handler threw.' },
  FN_HANDLER_RETRY: { retry: 'backoff', when: 'A handler threw `Retry`.' },
  FN_HANDLER_DEAD_LETTER: { retry: 'never', when: 'A handler threw `DeadLetter`.' },
  FN_HANDLER_DROP: { retry: 'never', when: 'A handler threw `Drop`: the event ends as dropped.' },
  FN_HANDLER_INVALID_REPLY: { retry: 'never', when: 'A handler returned what is no event.' },
  FN_HANDLER_REPLY_TOO_LARGE: { retry: 'never', when: 'A reply is larger than an event may be.' },
  FN_HANDLER_CPU: {
    retry: 'backoff',
    when: 'A handler ran longer than `limits.cpuMs` at a stretch.',
  },
  FN_HANDLER_MEMORY: { retry: 'backoff', when: 'A handler used more than `limits.memoryMiB`.' },
  FN_HANDLER_TIMEOUT: {
    retry: 'backoff',
    when: 'A handler was not done within `delivery.timeout`.',
  },
  FN_HANDLER_DEADLOCK: {
    retry: 'backoff',
    when: 'A handler waits for a promise that nothing can resolve.',
  },
  FN_HANDLER_CRASHED: { retry: 'backoff', when: 'The worker process died while the handler ran.' },
  FN_HANDLER_INIT: { retry: 'backoff', when: 'A function could not be loaded into its isolate.' },

  // HTTP subscribers
  FN_SUBSCRIBER_UNREACHABLE: {
    retry: 'backoff',
    when: 'A subscriber could not be reached, or the connection broke before its answer was complete.',
  },
  FN_SUBSCRIBER_TIMEOUT: {
    retry: 'backoff',
    when: 'A subscriber had not answered within `delivery.timeout`.',
  },
  FN_SUBSCRIBER_FAILED: {
    retry: 'backoff',
    when: 'A subscriber answered 404, 408, 409, 429, or 500 and above.',
  },
  FN_SUBSCRIBER_REFUSED: {
    retry: 'never',
    when: 'A subscriber answered with any other status that is no success, redirects included.',
  },
  FN_SUBSCRIBER_INVALID_REPLY: {
    retry: 'never',
    when: 'A subscriber answered with a body or with `ce-` headers that are no event.',
  },

  // delivery
  FN_DELIVERY_PUBLISH_FAILED: { retry: 'backoff', when: 'A reply could not be made durable.' },
  FN_DELIVERY_HOP_LIMIT: {
    retry: 'never',
    when: 'An event went on more than 255 times (`HopLimit`): functions or triggers send to each other in a circle.',
  },
  FN_DELIVERY_NO_STEP: {
    retry: 'never',
    when: 'A dead letter of a flow was replayed, and the flow no longer has the step that failed.',
  },
  FN_DELIVERY_PARKED: {
    retry: 'never',
    when: 'An earlier event of the same key is a dead letter, and `onDeadLetter` is `park`.',
  },

  // command line
  FN_CLI_USAGE: { retry: 'never', when: 'A command was used wrongly.' },
  FN_CLI_NOT_REACHABLE: {
    retry: 'never',
    when: 'No runtime, log or Kafka could be reached with what was given.',
  },
  FN_CLI_NOT_FOUND: {
    retry: 'never',
    when: 'The named event, dead letter, topic or trigger is not there.',
  },
  FN_CLI_REFUSED: {
    retry: 'never',
    when: 'A command would lose events or run them twice; it has done nothing.',
  },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

const BRAND = Symbol.for('millrace.error')

/** An error with a code from the table. `detail` carries what a program may want to read. */
export class MillraceError extends Error {
  readonly code: ErrorCode
  readonly detail: Record<string, unknown>
  readonly [BRAND] = true

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; detail?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'MillraceError'
    this.code = code
    this.detail = options.detail ?? {}
  }
}

/** True for a `MillraceError`, also one of another copy of this module; with `code`, only for that one. */
export function isMillraceError(value: unknown, code?: ErrorCode): value is MillraceError {
  if (typeof value !== 'object' || value === null || !(BRAND in value)) return false
  return code === undefined || (value as MillraceError).code === code
}

/** Whether the delivery may try again after this error; unknown errors may. */
export function retryOf(code: string): 'never' | 'backoff' {
  return Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode].retry : 'backoff'
}
