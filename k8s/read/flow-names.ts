/** The channels and Subscriptions that Knative makes for a flow, by name (eventing, `reconciler/{sequence,parallel}/resources`). */
import { channelTopic } from '../../runtime/broker/names.ts'
import type { Destination } from '../../runtime/contract/subscriber.ts'
import { annotationsOf, type Known } from './compilation.ts'
import type { Resource } from './resource.ts'

export const DURABLE = 'millrace.dev/durable'

/** `ends`: the log holds what enters and leaves. `each`: a topic between steps, as Knative has it. */
export function isDurableEach(known: Known): boolean {
  return annotationsOf(known)[DURABLE] === 'each'
}

/** Its topic; within one process the channel has the same name. */
export function channelOf({ namespace }: Pick<Resource, 'namespace'>, name: string): string {
  return channelTopic({ namespace, name })
}

/** Under this name Knative gives a channel its address, so that it is the broker that feeds it. */
export function channelBroker({ namespace }: Pick<Resource, 'namespace'>, name: string): string {
  return `${namespace}/${name}-kn-channel`
}

export function sequenceStep({ name }: Pick<Resource, 'name'>, index: number): string {
  return `${name}-kn-sequence-${index}`
}

export function parallelEntry({ name }: Pick<Resource, 'name'>): string {
  return `${name}-kn-parallel`
}

export function parallelFilter({ name }: Pick<Resource, 'name'>, index: number): string {
  return `${name}-kn-parallel-filter-${index}`
}

export function parallelBranch({ name }: Pick<Resource, 'name'>, index: number): string {
  return `${name}-kn-parallel-${index}`
}

/** Where a Sequence or Parallel takes its events. */
export function entryOf(known: Known): Destination {
  const { kind, resource } = known
  const name = kind === 'Sequence' ? sequenceStep(resource, 0) : parallelEntry(resource)
  return linkTo(channelOf(resource, name), isDurableEach(known))
}

/** Into a channel of a flow. */
export function linkTo(channel: string, each: boolean): Destination {
  return each ? { kind: 'topic', topic: channel } : { kind: 'channel', channel }
}
