/** Committed offsets of groups: OffsetCommit and OffsetFetch with metadata, at the group's coordinator. */
import { describeGroupsV5, offsetCommitV8, offsetFetchV8 } from '@platformatic/kafka'
import { partitionKey } from '../../contract/broker.ts'
import type {
  CommitOptions,
  CommittedOffset,
  CommittedOptions,
  OffsetCommit,
  TopicPartition,
} from '../../contract/broker.ts'
import { MillraceError } from '../../errors.ts'
import { CONTROL, refusal, unknownTopic, type Cluster } from './cluster.ts'
import type { Connections, Lane } from './connections.ts'
import { KafkaMembership } from './membership.ts'
import { CODE, codeName, isStaleCoordinator, isTransient } from './protocol-codes.ts'
import { Transient, persist } from './transient.ts'

/** Below the broker's own limit, `offset.metadata.max.bytes` of 4,096. */
const MAX_METADATA_BYTES = 4_000
/**
 * A broker works off one request of a connection at a time, and a commit is written and replicated first:
 * with one connection a thousand groups would wait for each other.
 */
const COMMIT_LANES: readonly Lane[] = [0, 1, 2, 3].map((number) => ({ name: `commits-${number}` }))
/** Commits of somebody who is no member, which a group with members refuses. */
export const NO_MEMBER: GroupMember = { memberId: '', generation: -1 }
/** Codes of a group that has members, for somebody who is none of them. */
const HAS_MEMBERS = new Set<number>([
  CODE.unknownMemberId,
  CODE.illegalGeneration,
  CODE.rebalanceInProgress,
])

export interface GroupMember {
  memberId: string
  generation: number
}

interface RequestTopic {
  name: string
  partitions: Array<{
    partitionIndex: number
    committedOffset: bigint
    committedLeaderEpoch: number
    committedMetadata: string
  }>
}

export class GroupOffsets {
  readonly #cluster: Cluster
  readonly #connections: Connections
  readonly #closing: AbortSignal

  constructor(cluster: Cluster, connections: Connections, closing: AbortSignal) {
    this.#cluster = cluster
    this.#connections = connections
    this.#closing = closing
  }

  async commit(
    group: string,
    offsets: readonly OffsetCommit[],
    { fence }: CommitOptions = {},
  ): Promise<void> {
    if (offsets.length === 0) return
    for (const each of offsets) checkMetadata(group, each)
    let member = NO_MEMBER
    if (fence) {
      const membership = kafkaMembership(fence.membership)
      await membership.assertOwned(offsets, fence.epochs)
      // A membership's own group takes commits from its members only.
      if (membership.group === group) member = membership.identity()
    }
    await persist(() => this.#commitOnce(group, offsets, member), { closing: this.#closing })
  }

  async committed(
    group: string,
    partitions: readonly TopicPartition[],
    { stable = false }: CommittedOptions = {},
  ): Promise<CommittedOffset[]> {
    if (partitions.length === 0) return []
    const ask = (): Promise<CommittedOffset[]> => this.#committedOnce(group, partitions, stable)
    return persist(ask, { closing: this.#closing })
  }

  async hasMembers(group: string): Promise<boolean> {
    return persist(() => this.#hasMembersOnce(group), { closing: this.#closing })
  }

  async #hasMembersOnce(group: string): Promise<boolean> {
    const response = await this.#ask(group, (address) =>
      this.#connections.call(CONTROL, address, describeGroupsV5.api, [group], false),
    )
    const answer = response.groups[0]
    if (answer === undefined || isTransient(answer.errorCode)) {
      throw this.#transient(group, answer?.errorCode ?? CODE.coordinatorNotAvailable)
    }
    // A group that nobody has used yet is described as dead, in newer versions as not found.
    return answer.errorCode === CODE.none && answer.members.length > 0
  }

  async #commitOnce(
    group: string,
    offsets: readonly OffsetCommit[],
    member: GroupMember,
  ): Promise<void> {
    const response = await this.#ask(group, (address) =>
      this.#connections.call(
        commitLane(group),
        address,
        offsetCommitV8.api,
        group,
        member.generation,
        member.memberId,
        null,
        requestTopics(offsets),
      ),
    )
    for (const { name, partitions } of response.topics) {
      for (const { partitionIndex, errorCode } of partitions) {
        if (errorCode === CODE.none) continue
        if (errorCode !== CODE.unknownTopicOrPartition && isTransient(errorCode)) {
          throw this.#transient(group, errorCode)
        }
        const at = { topic: name, partition: partitionIndex }
        throw commitRefusal(errorCode, { group, at, member })
      }
    }
  }

  async #committedOnce(
    group: string,
    partitions: readonly TopicPartition[],
    stable: boolean,
  ): Promise<CommittedOffset[]> {
    const topics = [...Map.groupBy(partitions, (at) => at.topic)].map(([name, each]) => ({
      name,
      partitionIndexes: each.map(({ partition }) => partition),
    }))
    const asked = { groupId: group, memberEpoch: -1, topics }
    const response = await this.#ask(group, (address) =>
      this.#connections.call(CONTROL, address, offsetFetchV8.api, [asked], stable),
    )
    const answer = response.groups[0]
    if (answer === undefined || isTransient(answer.errorCode)) {
      throw this.#transient(group, answer?.errorCode ?? CODE.coordinatorNotAvailable)
    }
    if (answer.errorCode !== CODE.none) {
      throw refusal(answer.errorCode, `read the offsets of the group ${group}`)
    }
    const found = new Map<string, { offset: number | undefined; metadata: string }>()
    for (const { name, partitions: each } of answer.topics) {
      for (const { partitionIndex, committedOffset, metadata, errorCode } of each) {
        const at = { topic: name, partition: partitionIndex }
        if (isTransient(errorCode) && errorCode !== CODE.unknownTopicOrPartition) {
          throw this.#transient(group, errorCode)
        }
        const offset = committedOffset < 0n ? undefined : Number(committedOffset)
        found.set(partitionKey(at), { offset, metadata: metadata ?? '' })
      }
    }
    return partitions.map(({ topic, partition }) => {
      const known = found.get(partitionKey({ topic, partition }))
      return { topic, partition, offset: known?.offset, metadata: known?.metadata ?? '' }
    })
  }

  async #ask<T>(
    group: string,
    request: (address: { host: string; port: number }) => Promise<T>,
  ): Promise<T> {
    const address = await this.#cluster.coordinator(group)
    try {
      return await request(address)
    } catch (error) {
      if (error instanceof Transient) this.#cluster.forgetCoordinator(group)
      throw error
    }
  }

  #transient(group: string, code: number): Transient {
    if (isStaleCoordinator(code)) this.#cluster.forgetCoordinator(group)
    return new Transient(`The coordinator of the group ${group} is not ready: ${codeName(code)}`)
  }
}

/** Always the same for a group: its commits stay in their order. */
function commitLane(group: string): Lane {
  let sum = 0
  for (let i = 0; i < group.length; i++) sum += group.charCodeAt(i)
  return COMMIT_LANES[sum % COMMIT_LANES.length] ?? CONTROL
}

/** The offsets as OffsetCommit and TxnOffsetCommit carry them. */
export function requestTopics(offsets: readonly OffsetCommit[]): RequestTopic[] {
  return [...Map.groupBy(offsets, (each) => each.topic)].map(([name, each]) => ({
    name,
    partitions: each.map(({ partition, offset, metadata }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: -1,
      committedMetadata: metadata ?? '',
    })),
  }))
}

/** Why the group does not take the commit, for good; an unknown topic may still turn up. */
export function commitRefusal(
  code: number,
  { group, at, member }: { group: string; at: TopicPartition; member: GroupMember },
): Error {
  if (code === CODE.unknownTopicOrPartition) return unknownTopic(at.topic)
  const detail = { group, kafkaCode: code }
  if (HAS_MEMBERS.has(code) && member !== NO_MEMBER) {
    return new MillraceError(
      'FN_BROKER_STALE_EPOCH',
      `The commit of ${partitionKey(at)} comes from an old generation of the group ${group}: ${codeName(code)}`,
      { detail },
    )
  }
  return new MillraceError(
    'FN_BROKER_COMMIT_REFUSED',
    HAS_MEMBERS.has(code)
      ? `The group ${group} has members: a Knative dispatcher, or another consumer, is running in it. Stop it before Millrace takes this trigger over`
      : `Kafka refused the commit of ${partitionKey(at)} in the group ${group}: ${codeName(code)}`,
    { detail },
  )
}

export function checkMetadata(
  group: string,
  { topic, partition, metadata = '' }: OffsetCommit,
): void {
  const bytes = Buffer.byteLength(metadata)
  if (bytes <= MAX_METADATA_BYTES) return
  throw new MillraceError(
    'FN_BROKER_COMMIT_REFUSED',
    `The metadata of ${topic}/${partition} for the group ${group} has ${bytes} bytes; at most ${MAX_METADATA_BYTES} are kept`,
    { detail: { bytes, limit: MAX_METADATA_BYTES } },
  )
}

export function kafkaMembership(membership: unknown): KafkaMembership {
  if (membership instanceof KafkaMembership) return membership
  throw new MillraceError(
    'FN_BROKER_STALE_EPOCH',
    'The fence of a commit is not a membership of this driver: join a group with it first',
  )
}
