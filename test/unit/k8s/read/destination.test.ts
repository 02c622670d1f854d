import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Subscriber } from '../../../../runtime/contract/subscriber.ts'
import { compiled, ref, resourceText, type Given } from '../../../support/resources.ts'
import { selfSigned } from '../../../support/self-signed.ts'

const CERTIFICATE = selfSigned().cert.replaceAll('\n', '\\n')

/** The subscriber stands on line 9 of `f.yaml`. */
function trigger(subscriber: string): string {
  return resourceText('Trigger', 't', `  broker: b\n  subscriber: ${subscriber}`)
}

function to(subscriber: string, given: Given = {}, more = ''): Subscriber {
  const { errors, trigger: of } = compiled(trigger(subscriber) + more, given)
  assert.deepEqual(errors, [])
  return of('t').subscriber
}

function refused(subscriber: string, more = ''): string[] {
  const { errors, topology } = compiled(trigger(subscriber) + more)
  assert.deepEqual(topology.triggers, [])
  return errors
}

const FUNCTION = { kind: 'function', name: 'orders' }
const ADDRESS = { kind: 'http', url: 'http://orders.events.svc.cluster.local' }

describe('a subscriber', () => {
  it('is the function of that name, for both kinds of Service', () => {
    for (const apiVersion of ['v1', 'serving.knative.dev/v1']) {
      const service = ref('Service', 'orders', apiVersion)
      assert.deepEqual(to(service, { named: ['orders'] }), FUNCTION)
      assert.deepEqual(to(service), ADDRESS)
    }
    const byGroup = '{ ref: { group: serving.knative.dev, kind: Service, name: orders } }'
    assert.deepEqual(to(byGroup, { named: ['orders'] }), FUNCTION)
  })

  it('is the address where the function belongs to another namespace, which is said', () => {
    const service = trigger(ref('Service', 'orders'))
    const own = compiled(service, { functions: [{ name: 'orders', namespace: 'events' }] })
    assert.deepEqual(own.trigger('t').subscriber, FUNCTION)
    const other = compiled(service, { functions: [{ name: 'orders', namespace: 'shop' }] })
    assert.deepEqual(other.trigger('t').subscriber, ADDRESS)
    assert.deepEqual(other.notes, [
      'f.yaml:9: spec.subscriber.ref.name: the function orders belongs to the namespace "shop", so this is the address of the Knative Service events/orders',
    ])
  })

  it('has the address that is configured, else the one of the cluster', () => {
    const service = '{ ref: { apiVersion: v1, kind: Service, name: orders, namespace: shop } }'
    assert.deepEqual(
      to(service, { services: new Map([['shop/orders', 'http://127.0.0.1:9000']]) }),
      {
        kind: 'http',
        url: 'http://127.0.0.1:9000',
      },
    )
    assert.deepEqual(to(service, { clusterDomain: 'example.org' }), {
      kind: 'http',
      url: 'http://orders.shop.svc.example.org',
    })
  })

  it('has the port of a Service that is among the resources, unless it is 80', () => {
    const service = (ports: string) => resourceText('Service', 'orders', `  ports: ${ports}`)
    const url = (ports: string) => to(ref('Service', 'orders', 'v1'), {}, service(ports))
    assert.deepEqual(url('[{ port: 8080 }]'), { kind: 'http', url: `${ADDRESS.url}:8080` })
    assert.deepEqual(url('[{ port: 80, targetPort: 8080 }]'), ADDRESS)
    assert.deepEqual(url('[{ port: 9090 }, { port: 80 }]'), ADDRESS)
  })

  it('has the address that a controller wrote into its status', () => {
    const status = 'status: { address: { url: "http://orders.example.org" } }\n'
    const service = resourceText('Service', 'orders', '  {}').replace(
      'v1',
      'serving.knative.dev/v1',
    )
    assert.deepEqual(to(ref('Service', 'orders'), {}, service + status), {
      kind: 'http',
      url: 'http://orders.example.org',
    })
  })

  it('has the path of a uri beside a ref, resolved against the address', () => {
    const at = (uri: string) =>
      `{ ref: { apiVersion: v1, kind: Service, name: orders }, uri: "${uri}" }`
    for (const [uri, path] of [
      ['/a/b?c=d', '/a/b?c=d'],
      ['a', '/a'],
    ] as const) {
      assert.deepEqual(to(at(uri)), { kind: 'http', url: `${ADDRESS.url}${path}` })
    }
    const services = new Map([['events/orders', 'http://127.0.0.1:9000/base/x']])
    assert.deepEqual(to(at('y'), { services }), {
      kind: 'http',
      url: 'http://127.0.0.1:9000/base/y',
    })
    for (const uri of ['http://elsewhere/', '//elsewhere/a']) {
      assert.deepEqual(refused(at(uri)), [
        `f.yaml:9: spec.subscriber.uri: beside a ref it is a path such as /orders, but is "${uri}"`,
      ])
    }
    const { notes } = compiled(trigger(at('/a')), { named: ['orders'] })
    assert.match(
      notes.join(),
      /^f\.yaml:9: spec\.subscriber\.uri: is not used: orders is a function/,
    )
  })

  it('is a uri as it is written, which must be an absolute address of HTTP', () => {
    assert.deepEqual(to('{ uri: "https://a.example.com:8443/x?y=z" }'), {
      kind: 'http',
      url: 'https://a.example.com:8443/x?y=z',
    })
    assert.match(refused('{ uri: /a }').join(), /subscriber\.uri: must be absolute without a ref, /)
    assert.match(refused('{ uri: "ftp://a/b" }').join(), /subscriber\.uri: must be http: or https:/)
    assert.deepEqual(refused('{}'), ['f.yaml:9: spec.subscriber: needs a ref or a uri'])
  })

  it('takes certificates in PEM', () => {
    assert.deepEqual(to(`{ uri: "https://a", CACerts: "${CERTIFICATE}" }`), {
      kind: 'http',
      url: 'https://a',
      caCerts: CERTIFICATE.replaceAll('\\n', '\n'),
    })
    assert.match(
      refused('{ uri: "https://a", CACerts: x }').join(),
      /CACerts: must be certificates/,
    )
    const broken = '-----BEGIN CERTIFICATE-----\\nx\\n-----END CERTIFICATE-----'
    assert.match(
      refused(`{ uri: "https://a", CACerts: "${CERTIFICATE}${broken}" }`).join(),
      /CACerts: certificate 2 of 2 is broken: /,
    )
  })

  it('says what it does not do as Knative would', () => {
    const { notes } = compiled(
      trigger('{ audience: a, ref: { apiVersion: v1, kind: Service, name: o, address: tls } }'),
    )
    assert.deepEqual(notes, [
      'f.yaml:9: spec.subscriber.audience: OIDC is not spoken; requests carry no token',
      'f.yaml:9: spec.subscriber.ref.address: is not used; Millrace knows one address of everything',
    ])
  })

  it('that is a broker, channel or KafkaSink gets the event as it is', () => {
    const of = (kind: string, more: string) => {
      const { errors, trigger: found } = compiled(trigger(ref(kind, 'x')) + more)
      assert.deepEqual(errors, [])
      assert.deepEqual(found('t').subscriber, { kind: 'pass' })
      return found('t').reply
    }
    assert.deepEqual(of('Broker', ''), { kind: 'topic', topic: 'knative-broker-events-x' })
    const channel = { kind: 'topic', topic: 'knative-messaging-kafka.events.x' }
    for (const kind of ['Channel', 'InMemoryChannel', 'KafkaChannel']) {
      assert.deepEqual(of(kind, resourceText(kind, 'x', '  {}')), channel)
    }
    assert.deepEqual(of('KafkaSink', resourceText('KafkaSink', 'x', '  topic: out')), {
      kind: 'topic',
      topic: 'out',
    })
  })

  it('must not be the broker that the events come from', () => {
    assert.deepEqual(refused(ref('Broker', 'b')), [
      'f.yaml:9: spec.subscriber: is where the events come from (topic knative-broker-events-b), so each would come back for ever',
    ])
  })

  it('must be there, but for Services and brokers of other files', () => {
    for (const kind of ['Sequence', 'Parallel', 'Channel', 'EventTransform', 'KafkaSink']) {
      assert.deepEqual(refused(ref(kind, 'x')), [
        `f.yaml:9: spec.subscriber.ref.name: there is no ${kind} events/x among the resources`,
      ])
    }
    const other = resourceText('KafkaSink', 'outgoing', '  topic: out')
    assert.match(
      refused(ref('KafkaSink', 'outgoin'), other).join(),
      /there is no KafkaSink events\/outgoin among the resources; did you mean "outgoing"\?$/,
    )
    const elsewhere = other.replace('namespace: events', 'namespace: shop')
    assert.match(
      refused(ref('KafkaSink', 'outgoing'), elsewhere).join(),
      /among the resources; there is one in the namespace "shop"$/,
    )
  })

  it('must take events', () => {
    assert.match(
      refused('{ ref: { apiVersion: apps/v1, kind: Deployment, name: x } }').join(),
      /^f\.yaml:9: spec\.subscriber\.ref\.kind: a Deployment of apps\/v1 takes no events: a Service, /,
    )
    assert.match(refused(ref('Trigger', 'x')).join(), /ref\.kind: a Trigger of .* takes no events/)
    assert.deepEqual(refused('{ ref: { kind: Service, name: x } }'), [
      'f.yaml:9: spec.subscriber.ref.apiVersion: is missing',
    ])
    const sink = resourceText('KafkaSink', 'x', '  topic: out')
    const path = ref('KafkaSink', 'x').replace(' } }', ' }, uri: /a }')
    assert.match(refused(path, sink).join(), /subscriber\.uri: a path is for a Service/)
  })
})

describe('a dead letter sink', () => {
  const sinkOf = (sink: string, more = '', given: Given = {}) => {
    const text = resourceText(
      'Trigger',
      't',
      `  broker: b\n  subscriber: { uri: "http://a" }\n  delivery: { deadLetterSink: ${sink} }`,
    )
    const { errors, trigger: of } = compiled(text + more, given)
    assert.deepEqual(errors, [])
    return of('t').deadLetterSink
  }

  it('is a function, an address, a broker, or a flow', () => {
    assert.deepEqual(sinkOf(ref('Service', 'orders'), '', { named: ['orders'] }), FUNCTION)
    assert.deepEqual(sinkOf(ref('Service', 'orders')), ADDRESS)
    assert.deepEqual(sinkOf(ref('Broker', 'dead')), {
      kind: 'topic',
      topic: 'knative-broker-events-dead',
    })
    const sequence = resourceText('Sequence', 's', '  steps: [{ uri: "http://a" }]')
    assert.deepEqual(sinkOf(ref('Sequence', 's'), sequence), {
      kind: 'channel',
      channel: 'knative-messaging-kafka.events.s-kn-sequence-0',
    })
  })
})
