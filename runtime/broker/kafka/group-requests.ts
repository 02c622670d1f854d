/** The requests of the classic group protocol, from one member to its coordinator. */
import { randomUUID } from 'node:crypto'
import { heartbeatV4, joinGroupV7, leaveGroupV4, syncGroupV5, type API } from '@platformatic/kafka'
import type { TopicPartition } from '../../contract/broker.ts'
import type { Cluster } from './cluster.ts'
import type { Connections, Lane } from './connections.ts'
import {
  PROTOCOL_NAME,
  PROTOCOL_TYPE,
  decodeAssignment,
  encodeAssignment,
  encodeSubscription,
  type Subscription,
} from './group-protocol.ts'
import { CODE, codeName, isStaleCoordinator } from './protocol-codes.ts'
import { Transient } from './transient.ts'

/** A join waits at the broker until all members are there or the rebalance timeout is over. */
const JOIN_ROOM_MS = 15_000

export interface GroupTimes {
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
}

export type JoinAnswer = joinGroupV7.JoinGroupResponse

export class GroupRequests {
  readonly #cluster: Cluster
  readonly #connections: Connections
  readonly #group: string
  readonly #times: GroupTimes
  readonly #joinLane: Lane
  readonly #heartbeatLane: Lane

  constructor(cluster: Cluster, connections: Connections, group: string, times: GroupTimes) {
    this.#cluster = cluster
    this.#connections = connections
    this.#group = group
    this.#times = times
    const joinMs = times.rebalanceTimeoutMs + JOIN_ROOM_MS
    // Lanes of this member alone: a broker answers one request of a connection after the other, and
    // a join waits for the other members, who may be in this process too.
    const id = randomUUID()
    this.#joinLane = { name: `join-${id}`, requestTimeoutMs: joinMs }
    // A heartbeat that gets no answer must leave time for another one.
    const heartbeatMs = Math.ceil(times.sessionTimeoutMs / 3)
    this.#heartbeatLane = { name: `heartbeat-${id}`, requestTimeoutMs: heartbeatMs }
  }

  join(memberId: string, subscription: Subscription): Promise<JoinAnswer> {
    return this.#ask(
      this.#joinLane,
      joinGroupV7.api,
      this.#group,
      this.#times.sessionTimeoutMs,
      this.#times.rebalanceTimeoutMs,
      memberId,
      null,
      PROTOCOL_TYPE,
      [{ name: PROTOCOL_NAME, metadata: encodeSubscription(subscription) }],
    )
  }

  async sync(
    { memberId, generationId }: JoinAnswer,
    assignments: ReadonlyMap<string, readonly TopicPartition[]>,
  ): Promise<{ code: number; assignment: TopicPartition[] }> {
    const answer = await this.#ask(
      this.#joinLane,
      syncGroupV5.api,
      this.#group,
      generationId,
      memberId,
      null,
      PROTOCOL_TYPE,
      PROTOCOL_NAME,
      [...assignments].map(([id, partitions]) => ({
        memberId: id,
        assignment: encodeAssignment(partitions),
      })),
    )
    return { code: answer.errorCode, assignment: decodeAssignment(answer.assignment) }
  }

  /** The code of the answer. */
  async heartbeat(memberId: string, generation: number): Promise<number> {
    const answer = await this.#ask(
      this.#heartbeatLane,
      heartbeatV4.api,
      this.#group,
      generation,
      memberId,
      null,
    )
    return answer.errorCode
  }

  async leave(memberId: string): Promise<void> {
    await this.#ask(this.#heartbeatLane, leaveGroupV4.api, this.#group, [{ memberId }])
  }

  async close(): Promise<void> {
    const lanes = [this.#joinLane, this.#heartbeatLane]
    await Promise.all(lanes.map((lane) => this.#connections.closeLane(lane)))
  }

  /** Throws `Transient` where the coordinator is not known, moved, or not ready. */
  async #ask<Args extends unknown[], Response extends { errorCode: number }>(
    lane: Lane,
    api: API<Args, Response>,
    ...args: Args
  ): Promise<Response> {
    const address = await this.#cluster.coordinator(this.#group)
    let answer: Response
    try {
      answer = await this.#connections.call(lane, address, api, ...args)
    } catch (error) {
      if (error instanceof Transient) this.#cluster.forgetCoordinator(this.#group)
      throw error
    }
    const { errorCode } = answer
    if (isStaleCoordinator(errorCode)) this.#cluster.forgetCoordinator(this.#group)
    if (isStaleCoordinator(errorCode) || errorCode === CODE.coordinatorLoadInProgress) {
      throw new Transient(
        `The coordinator of the group ${this.#group} is not ready: ${codeName(errorCode)}`,
      )
    }
    return answer
  }
}
