/** publish and dlq: what the results of a subscriber become, and where they go. */
import { deadLetterTopic, isChannelTopic } from './broker/names.ts'
import { checkReplyAttributes } from './codec/extensions.ts'
import { encodeRecord } from './codec/record.ts'
import type { DeadLetter } from './contract/delivery.ts'
import type { Attributes, Event } from './contract/event.ts'
import {
  topicPrefixOf,
  triggerName,
  type FunctionManifest,
  type TriggerManifest,
} from './contract/manifest.ts'
import { subscriberName } from './contract/subscriber.ts'
import type { TriggerDeliveryOptions } from './delivery/trigger-delivery.ts'
import { deadLetterRecord, sinkRecord } from './dlq/dead-letter.ts'
import { isWithinProcess, NOWHERE, type Hop, type Output } from './flow/plan.ts'
import type { CauseOf } from './flow/running-hop.ts'
import { countedEvent, hopLimit } from './publish/complete-reply.ts'
import { publishableReply } from './publish/publishable-reply.ts'

export type Outputs = Pick<TriggerDeliveryOptions, 'toReply' | 'toDeadLetter'>

export interface OutputOptions {
  /** The trigger, or the step as if it were one. */
  of: TriggerManifest
  output: Output
  /** Of its function. */
  manifest: FunctionManifest | undefined
  maxEventBytes: number
  /** Says of a dead letter which trigger it is of, and which step. */
  deadLetter: (letter: DeadLetter) => DeadLetter
}

export function outputsOf(options: OutputOptions): Outputs {
  const { of, output, manifest, deadLetter } = options
  return {
    toReply: repliesOf(options),
    toDeadLetter: (given) => {
      const letter = deadLetter(given)
      const { deadLetter: topic } = output
      const event = topic === undefined ? undefined : goingOn(letter.event, topic)
      if (topic !== undefined && event !== undefined) {
        return sinkRecord({ ...letter, event }, { topic, encode: encodeRecord })
      }
      // Also of one that has come back from its sink too often.
      return deadLetterRecord(letter, {
        topic: deadLetterTopic(topicPrefixOf(of)),
        version: manifest?.version ?? '',
        encode: encodeRecord,
      })
    },
  }
}

function repliesOf({ of, output, manifest, maxEventBytes }: OutputOptions): Outputs['toReply'] {
  const { subscriber } = of
  const { reply: topic } = output
  if (subscriber.kind === 'pass') {
    return ({ attributes, data }) => {
      if (topic === NOWHERE) return undefined
      const event = { attributes: attributes as Attributes, data }
      // A KafkaSource brings in what others wrote, and gives it on as Knative's does.
      const counted = of.wrap === undefined ? goingOn(event, topic) : event
      if (counted === undefined) throw hopLimit(event, topic)
      return encodeRecord(counted, topic)
    }
  }
  const origin = {
    trigger: triggerName(of),
    function: subscriberName(subscriber),
    namespace: manifest?.namespace ?? of.namespace,
    keepsIdentity: subscriber.kind !== 'function',
  }
  return (reply, index, cause) => {
    const record = publishableReply(reply, index, {
      origin: { ...origin, cause },
      topic,
      maxEventBytes,
      check: checkReplyAttributes,
      encode: encodeRecord,
    })
    return topic === NOWHERE ? undefined : record
  }
}

/**
 * Undefined where it has gone on too often. Channels do not count, whether they are topics or within this
 * process: circles of flows are refused when they are loaded.
 */
function goingOn(event: Event, topic: string): Event | undefined {
  return isWithinProcess(topic) || isChannelTopic(topic) ? event : countedEvent(event)
}

/** What a trigger's own subscriber could not handle; of a step that is a trigger, with the step's name. */
export function letterOfTrigger({
  namespace,
  subscriber,
  step,
}: TriggerManifest): (letter: DeadLetter) => DeadLetter {
  if (step === undefined) return (letter) => letter
  const failed = { name: step.name, namespace, subscriber, keepsErrors: false }
  return (letter) => ({ ...letter, step: failed })
}

/** A dead letter of a hop is one of the source trigger, and says at which step it failed. */
export function letterOfStep(
  source: TriggerManifest,
  { step, trigger, takesDeadLetters }: Hop,
  causeOf: CauseOf,
): (letter: DeadLetter) => DeadLetter {
  const { namespace, subscriber } = trigger
  const failed = { name: step, namespace, subscriber, keepsErrors: takesDeadLetters }
  return (letter) => {
    const cause = causeOf(letter.record) ?? letter.record
    return { ...letter, trigger: source, step: failed, cause }
  }
}
