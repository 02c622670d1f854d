/** The same three functions as the steps of a Sequence, and what the log calls the parts of it. */
import {
  channelTopic,
  deadLetterTopic,
  subscriptionGroup,
  triggerGroup,
} from '../../runtime/broker/names.ts'
import { FUNCTIONS, STEPS } from '../invariants/load-record.ts'
import type { ChainNames, ChainOptions } from './chain.ts'

/** `millrace.dev/durable` of the Sequence. */
export const FLOWS = ['ends', 'each'] as const
export type Flow = (typeof FLOWS)[number]

const SEQUENCE = 'chain'

type Places = Pick<ChainNames, 'events' | 'deadLetters' | 'readers' | 'way' | 'entry'>

export function flowPlaces(namespace: string, topic: string, flow: Flow): Places {
  const entry = { namespace, name: 'load' }
  const group = triggerGroup(entry)
  const steps = FUNCTIONS.map((of, index) => {
    const step = `${SEQUENCE}-kn-sequence-${index}`
    return { of, step, channel: { namespace, name: step }, place: `${STEPS[index]} before ${of}` }
  })
  const inLog = { topic, nameOf: String }
  if (flow === 'ends') {
    return {
      events: [inLog],
      deadLetters: steps.map(({ of, step }) => ({ topic: deadLetterTopic(group), of, step })),
      readers: [{ group, topic }],
      way: [STEPS[0], ...FUNCTIONS.map((fn) => ({ fn })), STEPS[3]],
      entry: `${namespace}/${entry.name}`,
    }
  }
  const channels = steps.map(({ of, step, channel }) => {
    const own = { group: subscriptionGroup(channel, step), topic: channelTopic(channel) }
    return { ...own, of, step }
  })
  return {
    events: [
      inLog,
      ...channels.map((one) => ({ ...one, nameOf: (type: string) => `${type} before ${one.of}` })),
    ],
    deadLetters: channels.map((one) => ({ ...one, topic: deadLetterTopic(one.group) })),
    readers: [{ group, topic }, ...channels],
    way: [STEPS[0], ...steps.flatMap(({ of, place }) => [place, { fn: of }]), STEPS[3]],
    entry: undefined,
  }
}

/** YAML for `fn start -f`. */
export function flowResources({ namespace, retry }: ChainOptions, flow: Flow): string {
  const metadata = (name: string): string => `metadata: { name: ${name}, namespace: ${namespace} }`
  const ref = (kind: string, name: string, group: string): string =>
    `ref: { apiVersion: ${group}.knative.dev/v1, kind: ${kind}, name: ${name} }`
  const delay = `PT${retry.delayMs / 1_000}S`
  const delivery = `delivery: { retry: ${retry.retries}, backoffPolicy: linear, backoffDelay: ${delay} }`
  const steps = FUNCTIONS.map(
    (name) => `    - ${ref('Service', name, 'serving')}\n      ${delivery}\n`,
  )
  return `
apiVersion: eventing.knative.dev/v1
kind: Broker
${metadata('load')}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
${metadata('load')}
spec:
  broker: load
  filter: { attributes: { type: ${STEPS[0]} } }
  subscriber: { ${ref('Sequence', SEQUENCE, 'flows')} }
---
apiVersion: flows.knative.dev/v1
kind: Sequence
metadata:
  name: ${SEQUENCE}
  namespace: ${namespace}
  annotations: { millrace.dev/durable: ${flow} }
spec:
  steps:
${steps.join('')}  reply: { ${ref('Broker', 'load', 'eventing')} }
`
}
