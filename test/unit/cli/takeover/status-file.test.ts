import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readStatusFile } from '../../../../cli/takeover/status-file.ts'

const BROKER = `
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata:
  namespace: events
  name: kafka-broker
  annotations: { eventing.knative.dev/broker.class: Kafka }
status:
  annotations: { default.topic: knative-broker-events-kafka-broker, bootstrap.servers: "k:9092" }
`
const TRIGGER = `
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: { namespace: events, name: orders, uid: 0f-aa }
spec: { broker: kafka-broker }
status:
  annotations: { group.id: knative-trigger-events-orders }
`
const ORDERS = {
  name: 'events/orders',
  group: 'knative-trigger-events-orders',
  topic: 'knative-broker-events-kafka-broker',
}

test('group and topic are read from the status, in several documents', async () => {
  const { triggers, skipped } = await readStatusFile(`${BROKER}---${TRIGGER}`, 's.yaml')
  assert.deepEqual(triggers, [ORDERS])
  assert.deepEqual(skipped, [])
})

test('a List as kubectl prints it is read as YAML and as JSON', async () => {
  const indented = (text: string): string => text.trim().replaceAll('\n', '\n    ')
  const list = `apiVersion: v1\nkind: List\nitems:\n  - ${indented(BROKER)}\n  - ${indented(TRIGGER)}\n`
  assert.deepEqual((await readStatusFile(list, 's.yaml')).triggers, [ORDERS])
  const json = {
    kind: 'List',
    items: [
      {
        apiVersion: 'eventing.knative.dev/v1',
        kind: 'Broker',
        metadata: { namespace: 'events', name: 'default' },
        status: { annotations: { 'default.topic': 't' } },
      },
      {
        apiVersion: 'eventing.knative.dev/v1',
        kind: 'Trigger',
        metadata: { namespace: 'events', name: 'x' },
        spec: {},
        status: { annotations: { 'group.id': 'g' } },
      },
    ],
  }
  const read = await readStatusFile(JSON.stringify(json), 's.json')
  assert.deepEqual(read.triggers, [{ name: 'events/x', group: 'g', topic: 't' }])
})

test("an old installation's group is the UID, and a topic of one's own stands on the Broker", async () => {
  const old = TRIGGER.replace(/status:[^]*$/, '')
  const own = BROKER.replace(/status:[^]*$/, '').replace(
    'broker.class: Kafka }',
    'broker.class: Kafka, kafka.eventing.knative.dev/external.topic: orders-log }',
  )
  const { triggers } = await readStatusFile(`${own}---${old}`, 's.yaml')
  assert.deepEqual(triggers, [{ name: 'events/orders', group: '0f-aa', topic: 'orders-log' }])
})

test('triggers of other broker classes are left out with the reason', async () => {
  const other = BROKER.replace('class: Kafka', 'class: MTChannelBasedBroker')
  const { triggers, skipped } = await readStatusFile(`${other}---${TRIGGER}`, 's.yaml')
  assert.deepEqual(triggers, [])
  assert.match(skipped[0] ?? '', /events\/orders: broker .* is of class MTChannelBasedBroker/)
})

const CHANNEL = `
apiVersion: messaging.knative.dev/v1beta1
kind: KafkaChannel
metadata: { namespace: events, name: chain-kn-sequence-0 }
status: { annotations: { default.topic: knative-messaging-kafka.events.chain-kn-sequence-0 } }
`
const SUBSCRIPTION = `
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: { namespace: events, name: chain-kn-sequence-0, uid: 1c-bb }
spec: { channel: { kind: KafkaChannel, name: chain-kn-sequence-0 } }
`
const STEP = {
  name: 'events/chain-kn-sequence-0',
  group: 'kafka.events.chain-kn-sequence-0.1c-bb',
  topic: 'knative-messaging-kafka.events.chain-kn-sequence-0',
  channel: { namespace: 'events', name: 'chain-kn-sequence-0' },
}

test('the group of a Subscription is known by its UID, the topic by its KafkaChannel', async () => {
  const texts = [BROKER, TRIGGER, SUBSCRIPTION, CHANNEL]
  assert.deepEqual((await readStatusFile(texts.join('---'), 's.yaml')).triggers, [ORDERS, STEP])
  const generic = SUBSCRIPTION.replace('kind: KafkaChannel', 'kind: Channel')
  assert.deepEqual((await readStatusFile(`${generic}---${CHANNEL}`, 's.yaml')).triggers, [STEP])
})

test('a Subscription of a channel in memory is left out with the reason', async () => {
  const other = SUBSCRIPTION.replace('kind: KafkaChannel', 'kind: InMemoryChannel')
  assert.deepEqual(await readStatusFile(other, 's.yaml'), {
    triggers: [],
    skipped: [
      'events/chain-kn-sequence-0: no KafkaChannel events/chain-kn-sequence-0 backs its InMemoryChannel',
    ],
  })
})

const INCOMPLETE: Array<[what: string, text: string, said: RegExp]> = [
  ['no YAML', '{ a: [', /s\.yaml is no YAML or JSON: /],
  ['nothing', '', /holds no Trigger/],
  ['text', 'hello', /holds no Trigger/],
  ['no Trigger', BROKER, /holds no Trigger and no Subscription\. Make it with: kubectl get /],
  [
    'a Subscription of a KafkaChannel that is not in it',
    SUBSCRIPTION,
    /subscription events\/chain-kn-sequence-0 is of KafkaChannel events\/chain-kn-sequence-0, which/,
  ],
  [
    'a KafkaChannel without a topic',
    `${CHANNEL.replace('default.topic', 'other')}---${SUBSCRIPTION}`,
    /KafkaChannel events\/chain-kn-sequence-0 has no status\.annotations\["default\.topic"\]/,
  ],
  [
    'a Subscription without a UID',
    `${CHANNEL}---${SUBSCRIPTION.replace(', uid: 1c-bb', '')}`,
    /subscription events\/chain-kn-sequence-0 has no uid/,
  ],
  ['a Trigger of a Broker that is not in it', TRIGGER, /of broker events\/kafka-broker, which is/],
  [
    'a Broker without a topic',
    `${BROKER.replace('default.topic', 'other')}---${TRIGGER}`,
    /broker events\/kafka-broker has neither status\.annotations\["default\.topic"\]/,
  ],
  [
    'a Trigger without a group',
    `${BROKER}---${TRIGGER.replace('group.id', 'other').replace(', uid: 0f-aa', '')}`,
    /trigger events\/orders has neither status\.annotations\["group\.id"\]/,
  ],
  [
    'a Trigger without a name',
    `${BROKER}---${TRIGGER.replace('name: orders, ', '')}`,
    /a Trigger in it has no namespace or no name/,
  ],
]
for (const [what, text, said] of INCOMPLETE) {
  test(`a file that holds ${what} is refused with what is missing`, async () => {
    await assert.rejects(readStatusFile(text, 's.yaml'), { code: 'FN_CLI_USAGE', message: said })
  })
}
