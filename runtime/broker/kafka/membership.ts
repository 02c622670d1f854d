/**
 * One member of a group (classic protocol), driven by hand for three things that the library's consumer
 * does not give: work is drained and committed before JoinGroup is sent, partitions that stay keep their
 * epoch, and a commit can be fenced by the generation.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { partitionKey } from '../../contract/broker.ts'
import type {
  Assignment,
  JoinOptions,
  Membership,
  MembershipListener,
  TopicPartition,
} from '../../contract/broker.ts'
import type { Logger } from '../../contract/log.ts'
import { MillraceError } from '../../errors.ts'
import { assignPartitions } from './assignor.ts'
import { refusal, type Cluster } from './cluster.ts'
import type { Connections } from './connections.ts'
import { decodeSubscription } from './group-protocol.ts'
import { GroupRequests, type JoinAnswer } from './group-requests.ts'
import { OwnedPartitions } from './owned-partitions.ts'
import { CODE, codeName } from './protocol-codes.ts'
import { Transient, persist, settled } from './transient.ts'

const DEFAULT_SESSION_TIMEOUT_MS = 10_000
const DEFAULT_REBALANCE_TIMEOUT_MS = 30_000
/** Also how fast a rebalance is noticed. */
const LONGEST_HEARTBEAT_INTERVAL_MS = 1_000
/** From the broker's call for a rebalance to our noticing it, and from the end of the drain to it. */
const REBALANCE_ROOM_MS = 5_000
const PARTITIONS_CHECK_MS = 5_000
const FIRST_JOIN_DEADLINE_MS = 60_000
const LEAVE_TIMEOUT_MS = 2_000
const RETRY_PAUSE_MS = 200

export interface MembershipContext {
  cluster: Cluster
  connections: Connections
  closing: AbortSignal
  log: Logger | undefined
}

/**
 * - `joining`: asked to join, not yet assigned; what was owned before is in limbo.
 * - `stable`: owns its assignment.
 * - `draining`: still owns it, and finishes its work before joining again.
 */
type State = 'joining' | 'stable' | 'draining' | 'left' | 'failed'

/** Why the heartbeats ended. */
type Turn = 'rebalance' | 'lost'

export class KafkaMembership implements Membership {
  readonly group: string
  readonly #listener: MembershipListener
  readonly #context: MembershipContext
  readonly #requests: GroupRequests
  readonly #sessionTimeoutMs: number
  readonly #rebalanceTimeoutMs: number
  readonly #heartbeatIntervalMs: number
  readonly #owned = new OwnedPartitions()
  readonly #leaving = new AbortController()
  #topics: readonly string[]
  /** Those that it asked for when it joined last. */
  #joinedFor: readonly string[] = []
  /** Ends the wait for the next heartbeat. */
  #resting = new AbortController()
  /** Resolves when another state begins. */
  #moved = Promise.withResolvers<void>()
  #memberId = ''
  #state: State = 'joining'
  /** Resolves when the state is no longer `joining`. */
  #settling = Promise.withResolvers<void>()
  /** As leader: the partitions that were there at the last assignment. */
  #partitionsSeen: string | undefined
  #aliveCheck: Promise<number> | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(options: JoinOptions, context: MembershipContext) {
    this.group = options.group
    this.#topics = options.topics
    this.#listener = options.listener
    this.#context = context
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? DEFAULT_SESSION_TIMEOUT_MS
    this.#rebalanceTimeoutMs = options.rebalanceTimeoutMs ?? DEFAULT_REBALANCE_TIMEOUT_MS
    this.#heartbeatIntervalMs = Math.min(this.#sessionTimeoutMs / 5, LONGEST_HEARTBEAT_INTERVAL_MS)
    this.#requests = new GroupRequests(context.cluster, context.connections, options.group, {
      sessionTimeoutMs: this.#sessionTimeoutMs,
      rebalanceTimeoutMs: this.#rebalanceTimeoutMs + REBALANCE_ROOM_MS,
    })
  }

  get memberId(): string {
    return this.#memberId
  }

  assignments(): readonly Assignment[] {
    return this.#owned.list()
  }

  async subscribe(topics: readonly string[]): Promise<void> {
    this.#topics = topics
    this.#resting.abort()
    while (!this.#isOver() && this.#joinedFor !== this.#topics) {
      await this.#moved.promise
    }
  }

  /** The member and generation of its last assignment, for commits in its own group. */
  identity(): { memberId: string; generation: number } {
    return { memberId: this.#memberId, generation: this.#owned.generation }
  }

  /** Joins for the first time; resolves when the first assignment is there. */
  async start(): Promise<void> {
    const { closing } = this.#context
    try {
      await persist(() => this.#join(), { closing, deadlineMs: FIRST_JOIN_DEADLINE_MS })
    } catch (error) {
      this.#enter('failed')
      // Nobody gets this membership, so nobody else closes its connections.
      await this.#requests.close()
      throw error
    }
    this.#running = this.#run()
  }

  /** Idempotent; at most about two seconds. */
  async leave(): Promise<void> {
    if (this.#state === 'left') return this.#running
    const isMember = this.#memberId !== '' && this.#state !== 'failed'
    this.#enter('left')
    this.#owned.lose()
    this.#leaving.abort()
    this.#resting.abort()
    if (isMember) await this.#sayGoodbye()
    await this.#requests.close()
  }

  async #sayGoodbye(): Promise<void> {
    const timeout = delay(LEAVE_TIMEOUT_MS, undefined, { ref: false })
    const leaving = this.#requests.leave(this.#memberId).catch((error: unknown) => {
      // The broker finds out by the session timeout.
      this.#context.log?.debug({ err: settled(error), group: this.group }, 'group not left')
    })
    await Promise.race([leaving, timeout])
  }

  /** Throws `FN_BROKER_STALE_EPOCH` unless the broker, too, holds this member for the owner. */
  async assertOwned(
    partitions: readonly TopicPartition[],
    epochs: ReadonlyMap<string, number>,
  ): Promise<void> {
    // In limbo nobody else has been told to own it yet; the next assignment decides.
    while (this.#state === 'joining') await this.#settling.promise
    this.#assertEpochs(partitions, epochs)
    const code = await persist(() => this.#checkAlive(), this.#context)
    if (code !== CODE.none && code !== CODE.rebalanceInProgress) {
      throw this.#stale(`the group ${this.group} does not know it any more (${codeName(code)})`)
    }
    this.#assertEpochs(partitions, epochs)
  }

  /** Those that the work came from, and of the offsets those that this group shares out. */
  #assertEpochs(offsets: readonly TopicPartition[], epochs: ReadonlyMap<string, number>): void {
    if (this.#state === 'left' || this.#state === 'failed') {
      throw this.#stale(`its membership in ${this.group} has ended`)
    }
    const needed = new Set(epochs.keys())
    for (const at of offsets) if (this.#topics.includes(at.topic)) needed.add(partitionKey(at))
    for (const key of needed) {
      const epoch = this.#owned.epoch(key)
      if (epoch !== undefined && epoch === epochs.get(key)) continue
      throw this.#stale(`it does not own ${key} in that epoch any more`)
    }
  }

  #stale(why: string): MillraceError {
    return new MillraceError(
      'FN_BROKER_STALE_EPOCH',
      `The commit of the member ${this.#memberId} is dropped, because ${why}; the new owner goes on from the last commit`,
      { detail: { group: this.group } },
    )
  }

  /** Commits made at one time share one question. */
  #checkAlive(): Promise<number> {
    this.#aliveCheck ??= Promise.resolve().then(() => {
      this.#aliveCheck = undefined
      return this.#requests.heartbeat(this.#memberId, this.#owned.generation)
    })
    return this.#aliveCheck
  }

  async #run(): Promise<void> {
    try {
      while (!this.#isOver()) {
        const turn = await this.#heartbeats()
        if (turn === 'lost') this.#lose()
        this.#enter('joining')
        await this.#joinUntilAssigned()
      }
    } catch (error) {
      if (this.#isOver() || this.#context.closing.aborted) return
      this.#lose()
      this.#enter('failed')
      this.#listener.failed(settled(error))
    }
  }

  async #joinUntilAssigned(): Promise<void> {
    while (!this.#isOver()) {
      try {
        await this.#join()
        return
      } catch (error) {
        if (!(error instanceof Transient)) throw error
        this.#context.log?.debug({ err: error, group: this.group }, 'joining the group again')
        await delay(RETRY_PAUSE_MS, undefined, { signal: this.#leaving.signal })
      }
    }
  }

  /** One round of JoinGroup and SyncGroup. Throws `Transient` when another round is needed. */
  async #join(): Promise<void> {
    const owned = this.#owned.list()
    const { generation } = this.#owned
    const topics = this.#topics
    const answer = await this.#requests.join(this.#memberId, {
      topics: [...topics],
      owned,
      generation,
    })
    if (answer.errorCode !== CODE.none) return this.#joinRefused(answer)
    this.#memberId = answer.memberId
    const isLeader = answer.leader === answer.memberId
    const assignments = isLeader ? await this.#assign(answer) : new Map<string, TopicPartition[]>()
    if (!isLeader) this.#partitionsSeen = undefined
    const { code, assignment } = await this.#requests.sync(answer, assignments)
    if (code !== CODE.none) return this.#syncRefused(code)
    if (this.#isOver()) return
    this.#owned.assign(assignment, answer.generationId)
    this.#joinedFor = topics
    this.#enter('stable')
    this.#listener.assigned(this.#owned.list())
  }

  async #joinRefused({ errorCode, memberId }: JoinAnswer): Promise<void> {
    if (errorCode === CODE.memberIdRequired) {
      this.#memberId = memberId
      return this.#join()
    }
    return this.#syncRefused(errorCode)
  }

  async #syncRefused(code: number): Promise<void> {
    if (code === CODE.unknownMemberId || code === CODE.illegalGeneration) {
      this.#lose()
      if (code === CODE.unknownMemberId) this.#memberId = ''
    } else if (code !== CODE.rebalanceInProgress) {
      throw refusal(code, `let this process join the group ${this.group}`)
    }
    throw new Transient(`The group ${this.group} goes on to another round: ${codeName(code)}`)
  }

  async #assign(answer: JoinAnswer): Promise<Map<string, TopicPartition[]>> {
    const members = new Map(
      answer.members.map(({ memberId, metadata }) => [memberId, decodeSubscription(metadata)]),
    )
    const topics = new Set([...members.values()].flatMap((member) => member.topics))
    const partitions = await this.#partitions([...topics])
    this.#partitionsSeen = describe(partitions)
    return assignPartitions(members, partitions)
  }

  async #partitions(topics: readonly string[]): Promise<TopicPartition[]> {
    const described = await this.#context.cluster.describe(topics.toSorted())
    return described.flatMap(({ topic, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
    )
  }

  /** Heartbeats until the group moves or the membership is lost; drains first where there is time. */
  async #heartbeats(): Promise<Turn> {
    let aliveAt = Date.now()
    let checkedAt = Date.now()
    for (;;) {
      await this.#nextHeartbeat()
      if (this.#joinedFor !== this.#topics) return this.#drain()
      const code = await this.#heartbeat()
      if (code === CODE.none || code === CODE.rebalanceInProgress) aliveAt = Date.now()
      if (code === CODE.rebalanceInProgress) return this.#drain()
      if (code !== CODE.none && code !== undefined) return this.#turnOf(code)
      if (Date.now() - aliveAt > this.#sessionTimeoutMs) return 'lost'
      if (Date.now() - checkedAt > PARTITIONS_CHECK_MS) {
        checkedAt = Date.now()
        if (await this.#partitionsChanged()) return this.#drain()
      }
    }
  }

  /** When it is due, or other topics are wanted. */
  async #nextHeartbeat(): Promise<void> {
    this.#leaving.signal.throwIfAborted()
    if (this.#joinedFor !== this.#topics) return
    this.#resting = new AbortController()
    const { signal } = this.#resting
    await delay(this.#heartbeatIntervalMs, undefined, { signal }).catch(() => {}) // woken
    this.#leaving.signal.throwIfAborted()
  }

  /** The code of the answer; undefined when there was none. */
  async #heartbeat(): Promise<number | undefined> {
    try {
      return await this.#requests.heartbeat(this.#memberId, this.#owned.generation)
    } catch (error) {
      if (!(error instanceof Transient)) throw error
      return undefined
    }
  }

  #turnOf(code: number): Turn {
    if (code === CODE.illegalGeneration) return 'lost'
    if (code !== CODE.unknownMemberId) {
      throw refusal(code, `keep this process in the group ${this.group}`)
    }
    this.#memberId = ''
    return 'lost'
  }

  /** Lets the listener finish its work; heartbeats go on, and commits still count. */
  async #drain(): Promise<Turn> {
    if (this.#owned.list().length === 0) return 'rebalance'
    this.#enter('draining')
    let isDrained = false
    const drained = this.#listener
      .rebalancing(this.#rebalanceTimeoutMs)
      .catch((error: unknown) => {
        this.#context.log?.warn({ err: settled(error), group: this.group }, 'drain failed')
      })
      .then(() => {
        isDrained = true
      })
    const began = Date.now()
    let aliveAt = began
    while (!isDrained && Date.now() - began < this.#rebalanceTimeoutMs) {
      const interval = delay(this.#heartbeatIntervalMs, undefined, { signal: this.#leaving.signal })
      await Promise.race([drained, interval])
      if (isDrained) break
      const code = await this.#heartbeat()
      if (code === CODE.none || code === CODE.rebalanceInProgress) aliveAt = Date.now()
      else if (code !== undefined) return this.#turnOf(code)
      if (Date.now() - aliveAt > this.#sessionTimeoutMs) return 'lost'
    }
    return 'rebalance'
  }

  /** Only the leader looks: it alone can assign partitions that were added. */
  async #partitionsChanged(): Promise<boolean> {
    if (this.#partitionsSeen === undefined) return false
    try {
      return describe(await this.#partitions(this.#topics)) !== this.#partitionsSeen
    } catch (error) {
      if (error instanceof Transient) return false
      throw error
    }
  }

  #lose(): void {
    const lost = this.#owned.lose()
    if (lost.length > 0 && !this.#isOver()) this.#listener.lost(lost)
  }

  #isOver(): boolean {
    return this.#state === 'left' || this.#state === 'failed'
  }

  #enter(state: State): void {
    if (this.#state === 'left') return
    if (state === 'joining' && this.#state !== 'joining') {
      this.#settling = Promise.withResolvers<void>()
    }
    this.#state = state
    if (state !== 'joining') this.#settling.resolve()
    this.#moved.resolve()
    this.#moved = Promise.withResolvers<void>()
  }
}

function describe(partitions: readonly TopicPartition[]): string {
  return partitions.map(partitionKey).join(' ')
}
