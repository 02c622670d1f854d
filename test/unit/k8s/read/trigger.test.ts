import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DeliveryPolicy } from '../../../../runtime/contract/manifest.ts'
import { annotation, compiled, ref, resourceText } from '../../../support/resources.ts'

const TO = 'subscriber: { uri: "http://a.example.com" }'

/** The Trigger's metadata ends on line 6; its spec begins on line 8. */
function trigger(spec: string, more = ''): string {
  return resourceText('Trigger', 't', spec, more)
}

function broker(spec: string, more = ''): string {
  return resourceText('Broker', 'b', spec, more)
}

const KAFKA: DeliveryPolicy = {
  retry: 0,
  backoffPolicy: 'exponential',
  backoffDelayMs: 200,
  jitter: 0,
  retryAfterMaxMs: 600_000,
  timeoutMs: 600_000,
  compat: 'knative-kafka',
  onDeadLetter: 'continue',
  exactlyOnce: false,
}

describe('a Trigger', () => {
  it('becomes a trigger with the names that Knative gives', () => {
    const { topology, errors, notes } = compiled(
      trigger(`  broker: b\n  filter: { attributes: { type: x, priority: "" } }\n  ${TO}`),
    )
    assert.deepEqual([errors, notes], [[], []])
    assert.deepEqual(topology, {
      brokers: [{ name: 'events/b', topic: 'knative-broker-events-b' }],
      triggers: [
        {
          namespace: 'events',
          name: 't',
          broker: 'events/b',
          topic: 'knative-broker-events-b',
          group: 'knative-trigger-events-t',
          filters: [{ exact: { type: 'x' } }, { exists: { priority: true } }],
          ordering: 'key',
          concurrency: 64,
          startFrom: 'latest',
          delivery: { ...KAFKA, retry: 10 },
          subscriber: { kind: 'http', url: 'http://a.example.com' },
          declaredIn: 'f.yaml:2',
        },
      ],
      flows: [],
    })
  })

  it('takes a delivery of its own in place of the whole one of its broker', () => {
    const delivery = (own: string, ofBroker: string) =>
      compiled(broker(`  ${ofBroker}`) + trigger(`  broker: b\n  ${TO}\n  ${own}`)).trigger('t')
        .delivery
    const all =
      'delivery: { retry: 3, backoffPolicy: linear, backoffDelay: PT1S, timeout: PT5S, retryAfterMax: PT9S }'
    const asWritten = {
      ...KAFKA,
      retry: 3,
      backoffPolicy: 'linear',
      backoffDelayMs: 1_000,
      timeoutMs: 5_000,
      retryAfterMaxMs: 9_000,
    }
    assert.deepEqual(delivery('', all), asWritten)
    assert.deepEqual(delivery(all, ''), asWritten)
    assert.deepEqual(delivery('delivery: { retry: 1 }', all), { ...KAFKA, retry: 1 })
    assert.deepEqual(delivery('delivery: {}', all), KAFKA)
    assert.deepEqual(delivery('delivery: null', all), asWritten)
    assert.deepEqual(delivery('', ''), { ...KAFKA, retry: 10 })
  })

  it('bounds Retry-After where nobody said how, for addresses only', () => {
    const { trigger: of } = compiled(trigger(`  broker: b\n  subscriber: ${ref('Service', 'f')}`), {
      named: ['f'],
    })
    const { retryAfterMaxMs, ...same } = KAFKA
    assert.equal(retryAfterMaxMs, 600_000)
    assert.deepEqual(of('t').delivery, { ...same, retry: 10 })
  })

  it('inherits the dead letter sink and the format of its broker, found from there', () => {
    const { trigger: of, errors } = compiled(
      broker(
        '  delivery:\n    format: JSON\n    deadLetterSink: { ref: { kind: Service, name: dls, apiVersion: v1 } }',
      ).replace('namespace: events', 'namespace: shop') +
        trigger(
          `  brokerRef: { apiVersion: eventing.knative.dev/v1, kind: Broker, name: b, namespace: shop }\n  ${TO}`,
        ),
    )
    assert.deepEqual(errors, [])
    const { subscriber, deadLetterSink, broker: name } = of('t')
    assert.equal(name, 'shop/b')
    assert.deepEqual(subscriber, { kind: 'http', url: 'http://a.example.com', format: 'json' })
    assert.deepEqual(deadLetterSink, { kind: 'http', url: 'http://dls.shop.svc.cluster.local' })
  })

  it('has the order that its annotation asks for, and keeps keys in order without', () => {
    const order = (value: string) =>
      compiled(
        trigger(
          `  broker: b\n  ${TO}`,
          annotation('kafka.eventing.knative.dev/delivery.order', value),
        ),
      )
    assert.equal(order('Unordered').trigger('t').ordering, 'none')
    assert.equal(order('ORDERED').trigger('t').ordering, 'partition')
    assert.deepEqual(order('random').errors, [
      'f.yaml:8: metadata.annotations["kafka.eventing.knative.dev/delivery.order"]: must be "ordered" or "unordered", but is "random"; without it events of one key stay in order',
    ])
  })

  it('lets filters win over filter, and says so', () => {
    const { trigger: of, notes } = compiled(
      trigger(
        `  broker: b\n  filter: { attributes: { type: x } }\n  filters:\n    - not: { suffix: { type: y } }\n  ${TO}`,
      ),
    )
    assert.deepEqual(of('t').filters, [{ not: { suffix: { type: 'y' } } }])
    assert.deepEqual(notes, [
      'f.yaml:9: spec.filter: is not used, because spec.filters is there and wins over it; remove one of them',
    ])
    const empty = compiled(
      trigger(`  broker: b\n  filter: { attributes: { type: x } }\n  filters: []\n  ${TO}`),
    )
    assert.deepEqual(empty.trigger('t').filters, [{ exact: { type: 'x' } }])
  })

  it('says everything that is wrong with filters where it stands', () => {
    const { errors } = compiled(
      trigger(`  broker: b
  filters:
    - exact:
        Type: x
    - any:
        - suffix:
            source: ""
    - prefx: { a: b }
    - exact: { a: b }
      prefix: { a: b }
    - 5
  ${TO}`),
    )
    assert.deepEqual(errors, [
      'f.yaml:10: spec.filters[0].exact: "Type" is no attribute name; did you mean "type"?',
      'f.yaml:14: spec.filters[1].any[0].suffix.source: is empty; give it a text, or use exists for "there with any value"',
      'f.yaml:15: spec.filters[2].prefx: is not known; did you mean "prefix"?',
      'f.yaml:16: spec.filters[3]: has exact and prefix; one object holds one of them, so split it: { exact: … }, { prefix: … }',
      'f.yaml:18: spec.filters[4]: must be an object, but is 5',
    ])
  })

  it('takes CESQL, and says where an expression breaks', () => {
    const of = (expression: string) =>
      compiled(trigger(`  broker: b\n  filters:\n    - cesql: ${expression}\n  ${TO}`))
    assert.deepEqual(of(`type = 'x'`).trigger('t').filters, [{ cesql: `type = 'x'` }])
    const [error, ...more] = of('type =').errors
    assert.match(error ?? '', /^f\.yaml:10: spec\.filters\[0\]\.cesql: [^\n]+$/)
    assert.deepEqual(more, [])
  })

  it("filters as Knative's Kafka broker does, where it is asked to", () => {
    const spec = `  broker: b\n  filter: { attributes: { type: x, priority: "" } }\n  ${TO}`
    const of = (value: string) =>
      compiled(trigger(spec, annotation('millrace.dev/filter-compat', value)))
    assert.deepEqual(of('knative-kafka').trigger('t').filters, [{ exact: { type: 'x' } }])
    assert.deepEqual(of('core').errors, [
      'f.yaml:8: metadata.annotations["millrace.dev/filter-compat"]: must be "knative-kafka", but is "core"',
    ])
  })

  it('says everything that is wrong with its fields at once', () => {
    const { errors, topology } = compiled(
      trigger(`  brocker: b
  subscriber:
    ref:
      kind: Service
      nmae: x
  delivery:
    retry: -1
    backoffPolicy: exponentiel
    backoffDelay: 1s
    timeout: PT0S
    format: xml
  filter:
    attributes:
      version: 1.0`),
    )
    assert.deepEqual(errors, [
      'f.yaml:8: spec.brocker: is not known; did you mean "broker"?',
      'f.yaml:10: spec.subscriber.ref.name: is missing',
      'f.yaml:12: spec.subscriber.ref.nmae: is not known; did you mean "name"?',
      'f.yaml:14: spec.delivery.retry: must be a whole number from 0 on, but is -1',
      'f.yaml:15: spec.delivery.backoffPolicy: must be "linear" or "exponential", but is "exponentiel"; did you mean "exponential"?',
      'f.yaml:16: spec.delivery.backoffDelay: "1s" is no ISO 8601 duration that can be used: write for example PT1S, PT0.2S, PT10M or P1DT2H',
      'f.yaml:17: spec.delivery.timeout: "PT0S" is too short: at least PT0.001S',
      'f.yaml:18: spec.delivery.format: must be "json" or "binary", but is "xml"',
      'f.yaml:21: spec.filter.attributes.version: must be a text, but is 1; write it in quotes: "1"',
    ])
    assert.deepEqual(topology.triggers, [])
  })

  it('needs a broker, and only one', () => {
    assert.deepEqual(compiled(trigger(`  ${TO}`)).errors, ['f.yaml:7: spec.broker: is missing'])
    const both = `  broker: b\n  brokerRef: { kind: Broker, name: b }\n  ${TO}`
    assert.deepEqual(compiled(trigger(both)).errors, [
      'f.yaml:8: spec.broker: stands beside brokerRef; keep one of them',
    ])
  })

  it('takes a broker of other files, but sees a slip where its namespace declares brokers', () => {
    const slip = trigger(`  broker: ordres\n  ${TO}`)
    const { errors } = compiled(broker('  {}').replace('name: b', 'name: orders') + slip)
    assert.deepEqual(errors, [
      'f.yaml:16: spec.broker: there is no Broker events/ordres; did you mean "orders"?',
    ])
    assert.deepEqual(compiled(slip).errors, [])
  })

  it('says so where only another namespace declares its broker', () => {
    const { errors, notes } = compiled(
      broker('  {}') + trigger(`  broker: b\n  ${TO}`).replace('  namespace: events\n', ''),
    )
    assert.deepEqual(errors, [])
    assert.deepEqual(notes, [
      'f.yaml:15: spec.broker: there is no Broker default/b among the resources; there is one in the namespace "events"; it is taken for one that is declared elsewhere',
    ])
  })

  it('says so where its dead letters come back to it', () => {
    const sink = `delivery: { deadLetterSink: ${ref('Broker', 'b')} }`
    const { errors, notes } = compiled(trigger(`  broker: b\n  ${TO}\n  ${sink}`))
    assert.deepEqual(errors, [])
    assert.deepEqual(notes, [
      'f.yaml:10: spec.delivery.deadLetterSink: is the broker that the events come from: what fails comes back to t where its filters let it pass, and becomes an ordinary dead letter after 255 rounds',
    ])
  })

  it('takes whole numbers as they are, and no larger ones than Knative', () => {
    const retry = (value: string): string[] =>
      compiled(trigger(`  broker: b\n  ${TO}\n  delivery: { retry: ${value} }`)).errors
    assert.deepEqual(retry('0'), [])
    assert.deepEqual(retry('"3"'), [
      'f.yaml:10: spec.delivery.retry: must be a whole number from 0 on, but is "3"; write it without quotes',
    ])
    assert.deepEqual(retry('2147483648'), [
      'f.yaml:10: spec.delivery.retry: must be a whole number from 0 to 2147483647, but is 2147483648',
    ])
  })

  it('is not compiled while its broker is wrong, which is said once', () => {
    const { errors, topology } = compiled(broker('  confg: {}') + trigger(`  broker: b\n  ${TO}`))
    assert.deepEqual(errors, ['f.yaml:8: spec.confg: is not known; did you mean "config"?'])
    assert.deepEqual(topology.triggers, [])
  })

  it('says that triggers are not scaled one by one', () => {
    const { notes } = compiled(
      trigger(`  broker: b\n  ${TO}`, annotation('autoscaling.eventing.knative.dev/class', 'keda')),
    )
    assert.match(notes.join(), /^f\.yaml:8: metadata\.annotations\["autos.*class"\]: is not used/)
  })

  it('refuses a name that gives a topic or group longer than Kafka allows', () => {
    const { errors } = compiled(
      trigger(`  broker: b\n  ${TO}`).replace('name: t\n', `name: ${'t'.repeat(240)}\n`),
    )
    assert.match(
      errors.join(),
      /^f\.yaml:5: metadata\.name: events\/t+ gives the name .* longer than/,
    )
  })

  it('is one of its name, and shares its group with nobody', () => {
    const one = trigger(`  broker: b\n  ${TO}`)
    assert.deepEqual(compiled(one + one).errors, [
      'f.yaml:14: metadata.name: a Trigger events/t stands at f.yaml:2 already; keep one of them',
    ])
    const near = one.replace('name: t', 'name: c').replace('namespace: events', 'namespace: a-b')
    const far = one.replace('name: t', 'name: b-c').replace('namespace: events', 'namespace: a')
    assert.deepEqual(compiled(near + far).errors, [
      'f.yaml:14: metadata.name: would share the consumer group knative-trigger-a-b-c with Trigger a-b/c (f.yaml:2); rename one of them',
    ])
  })
})
