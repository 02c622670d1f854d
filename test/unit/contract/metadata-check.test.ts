import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_DELIVERY } from '../../../runtime/contract/manifest.ts'
import { checkMetadata } from '../../../runtime/contract/metadata-check.ts'
import { Delivery, FunctionMetadata, TriggerMetadata } from '../../../runtime/contract/metadata.ts'
import { type ErrorCode, isMillraceError, type MillraceError } from '../../../runtime/errors.ts'

const WHERE = { file: 'functions/orders.ts', functionName: 'orders' }
const BROKER = 'events/kafka-broker'

describe('checkMetadata', () => {
  it('applies every default and computes the names', () => {
    assert.deepEqual(checkMetadata({ triggers: [{ broker: BROKER }] }, WHERE), {
      namespace: 'events',
      limits: { memoryMiB: 64, cpuMs: 100 },
      batch: { max: 64 },
      triggers: [
        {
          namespace: 'events',
          name: 'orders',
          broker: BROKER,
          topic: 'knative-broker-events-kafka-broker',
          group: 'knative-trigger-events-orders',
          filters: [],
          ordering: 'key',
          concurrency: 64,
          startFrom: 'latest',
          delivery: DEFAULT_DELIVERY,
          subscriber: { kind: 'function', name: 'orders' },
        },
      ],
      warnings: [],
    })
  })

  it('applies the defaults that the schema declares', () => {
    const { limits, triggers } = checkMetadata({ triggers: [{ broker: BROKER }] }, WHERE)
    const [trigger] = triggers
    assert.ok(trigger)
    const declared = {
      ...defaultsOf(FunctionMetadata.properties),
      ...defaultsOf(FunctionMetadata.properties.limits.properties),
      ...defaultsOf(TriggerMetadata.properties),
      ...defaultsOf(Delivery.properties),
    }
    const applied: Record<string, unknown> = { ...trigger.delivery, ...trigger, ...limits }
    assert.deepEqual(Object.keys(declared).toSorted(), [
      'backoffPolicy',
      'compat',
      'concurrency',
      'cpuMs',
      'exactlyOnce',
      'jitter',
      'memoryMiB',
      'onDeadLetter',
      'ordering',
      'retry',
      'startFrom',
    ])
    for (const [key, value] of Object.entries(declared)) assert.equal(applied[key], value, key)
  })

  it('takes everything that can be said, for all triggers', () => {
    const part = checkMetadata(
      {
        description: 'Prices orders',
        triggers: [
          { name: 'a', broker: 'one/b', filter: { attributes: { type: 't', priority: '' } } },
          {
            name: 'b',
            broker: 'two/b',
            filters: [{ exact: { type: 't' } }],
            startFrom: 'earliest',
          },
        ],
        ordering: 'key',
        concurrency: 8,
        batch: { max: 10 },
        delivery: {
          retry: 0,
          backoffPolicy: 'linear',
          backoffDelay: 'PT0.2S',
          backoffMax: 'PT1M',
          jitter: 0.5,
          retryAfterMax: 'PT30S',
          maxAge: 'PT1H',
          retryOn: ['Timeout'],
          timeout: 'PT10M',
          compat: 'spec',
          breaker: { failures: 20, pause: 'PT5S' },
          onDeadLetter: 'park',
          exactlyOnce: true,
        },
        limits: { memoryMiB: 128 },
      },
      WHERE,
    )
    const delivery = {
      retry: 0,
      backoffPolicy: 'linear',
      backoffDelayMs: 200,
      backoffMaxMs: 60_000,
      jitter: 0.5,
      retryAfterMaxMs: 30_000,
      maxAgeMs: 3_600_000,
      retryOn: ['Timeout'],
      timeoutMs: 600_000,
      compat: 'spec',
      breaker: { failures: 20, pauseMs: 5_000 },
      onDeadLetter: 'park',
      exactlyOnce: true,
    }
    const shared = {
      ordering: 'key',
      concurrency: 8,
      delivery,
      subscriber: { kind: 'function', name: 'orders' },
    }
    assert.deepEqual(part, {
      namespace: 'one',
      description: 'Prices orders',
      limits: { memoryMiB: 128, cpuMs: 100 },
      batch: { max: 10 },
      triggers: [
        {
          namespace: 'one',
          name: 'a',
          broker: 'one/b',
          topic: 'knative-broker-one-b',
          group: 'knative-trigger-one-a',
          filters: [{ exact: { type: 't' } }, { exists: { priority: true } }],
          startFrom: 'latest',
          ...shared,
        },
        {
          namespace: 'two',
          name: 'b',
          broker: 'two/b',
          topic: 'knative-broker-two-b',
          group: 'knative-trigger-two-b',
          filters: [{ exact: { type: 't' } }],
          startFrom: 'earliest',
          ...shared,
        },
      ],
      warnings: [],
    })
  })

  it('warns where filters makes filter mean nothing', () => {
    const trigger = {
      broker: BROKER,
      filter: { attributes: { type: 'a' } },
      filters: [{ exact: { type: 'b' } }],
    }
    const { triggers, warnings } = checkMetadata({ triggers: [trigger] }, WHERE)
    assert.deepEqual(triggers[0]?.filters, [{ exact: { type: 'b' } }])
    assert.deepEqual(warnings, [
      'triggers[0].filter is ignored, because triggers[0].filters is there and wins over it; remove one of them',
    ])
  })

  it('refuses to park without an order of keys', () => {
    const raw = {
      triggers: [{ broker: BROKER }],
      ordering: 'none',
      delivery: { onDeadLetter: 'park' },
    }
    assert.match(
      refused(raw, 'FN_METADATA_INVALID').message,
      /ordering is "none"; use ordering "key"/,
    )
  })

  it('does not change what it was given', () => {
    const raw = { triggers: [{ broker: BROKER, filter: { attributes: { type: 'a' } } }] }
    const before = structuredClone(raw)
    checkMetadata(raw, WHERE)
    assert.deepEqual(raw, before)
  })

  it('lists all problems at once, each with its path', () => {
    const error = refused(
      {
        triggers: [
          { broker: BROKER, filtres: [], name: 'a' },
          { filters: [{ exact: { type: '' } }, { any: [{}] }] },
          { broker: 'Events/x', name: 'b', filter: { attributes: { dataSchema: 'x', n: 5 } } },
        ],
        ordering: 'kye',
        concurrency: '5',
        delivery: { timeout: 'PT0S', backoffDelay: '1s', retry: -1 },
        limits: { memoryMiB: 8, cpu: 5 },
        egress: [],
      },
      'FN_METADATA_INVALID',
    )
    assert.deepEqual(error.message.split('\n'), [
      'The metadata of functions/orders.ts has 16 problems:',
      '  egress is not known; known are triggers, ordering, concurrency, batch, delivery, limits, schemas, description',
      '  triggers[0].filtres is not known; did you mean "filters"?',
      '  triggers[1].broker is missing',
      '  triggers[2].filter.attributes.n must be a string, but is 5',
      '  ordering must be "key", "partition" or "none", but is "kye"; did you mean "key"?',
      '  concurrency must be an integer, but is "5"',
      '  delivery.retry must be >= 0, but is -1',
      '  limits.cpu is not known; did you mean "cpuMs"?',
      '  limits.memoryMiB must be >= 16, but is 8',
      '  triggers[1].name is missing; each of several triggers needs one, because it names the consumer group',
      '  triggers[1].filters[0].exact.type is empty; give it a text, or use exists for "there with any value"',
      '  triggers[1].filters[1].any[0] is empty; it needs one of exact, prefix, suffix, exists, all, any, not, data, cesql',
      '  triggers[2]: broker "Events/x": "Events" may hold only a-z, 0-9, "-" and ".", and starts and ends with a letter or digit',
      '  triggers[2].filter.attributes: "dataSchema" is no attribute name; did you mean "dataschema"?',
      '  delivery.backoffDelay: "1s" is no ISO 8601 duration that can be used: write for example PT1S, PT0.2S, PT10M or P1DT2H',
      '  delivery.timeout: "PT0S" is too short: at least PT0.001S',
    ])
  })

  it('gives the code of the only kind of problem', () => {
    const filters = [{ exact: {} }]
    refused({ triggers: [{ broker: BROKER, filters }] }, 'FN_FILTER_INVALID')
    refused({ triggers: [{ broker: 'no-namespace' }] }, 'FN_NAME_INVALID')
    refused({ triggers: [{ broker: BROKER, name: 'A' }] }, 'FN_NAME_INVALID')
    refused({ triggers: [{ broker: BROKER, name: '' }] }, 'FN_NAME_INVALID')
    refused({ triggers: [{ broker: BROKER, name: 'x'.repeat(240) }] }, 'FN_NAME_INVALID')
    refused({ triggers: [{ broker: 'x', filters }] }, 'FN_METADATA_INVALID')
  })

  it('refuses what is no metadata, and says what it looks like', () => {
    for (const raw of [undefined, null, 'x', 5, []]) {
      assert.match(refused(raw, 'FN_METADATA_INVALID').message, /exports no metadata object; add/)
    }
    assert.match(
      refused({ triggers: ['x'] }, 'FN_METADATA_INVALID').message,
      /\n {2}triggers\[0\] must be an object, but is "x"$/,
    )
  })

  it('lets a function leave its triggers to resources', () => {
    for (const raw of [{}, { triggers: [] }, { concurrency: 2 }]) {
      const { namespace, triggers } = checkMetadata(raw, WHERE)
      assert.deepEqual([namespace, triggers], ['', []])
    }
  })

  it('refuses a time longer than a timer can wait', () => {
    const raw = { triggers: [{ broker: BROKER }], delivery: { backoffDelay: 'P25D' } }
    assert.match(refused(raw, 'FN_METADATA_INVALID').message, /backoffDelay: "P25D" is too long/)
  })
})

function refused(raw: unknown, code: ErrorCode): MillraceError {
  let caught: unknown
  try {
    checkMetadata(raw, WHERE)
  } catch (error) {
    caught = error
  }
  assert.ok(isMillraceError(caught), 'it was not refused')
  assert.equal(caught.code, code, caught.message)
  return caught
}

function defaultsOf(properties: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(properties).flatMap(([key, schema]: [string, unknown]) =>
      typeof schema === 'object' && schema !== null && 'default' in schema
        ? [[key, schema.default]]
        : [],
    ),
  )
}
