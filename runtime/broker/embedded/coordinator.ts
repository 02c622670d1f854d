/** The groups of this process: which member owns which partition, and since which epoch. */
import { randomUUID } from 'node:crypto'
import { partitionKey } from '../../contract/broker.ts'
import type { Assignment, JoinOptions, Membership, TopicPartition } from '../../contract/broker.ts'
import { assignSticky } from './sticky-assignor.ts'
import type { EmbeddedLogger } from './options.ts'

const DEFAULT_REBALANCE_TIMEOUT_MS = 30_000
/** Each opening of the log has so many epochs to itself. */
const EPOCHS_A_GENERATION = 2 ** 32

interface MemberHooks {
  leave: (member: Member) => void
  /** Shares the partitions out once more; resolves when that is done. */
  share: () => Promise<void>
}

export class Member implements Membership {
  readonly memberId = randomUUID()
  readonly options: JoinOptions
  readonly #hooks: MemberHooks
  /** Resolves when the member has left, so that nobody waits for its listener any longer. */
  readonly gone: Promise<void>
  #setGone: () => void = () => {}
  #owned = new Map<string, Assignment>()
  #isAlive = true
  #topics: readonly string[]

  constructor(options: JoinOptions, hooks: MemberHooks) {
    this.options = options
    this.#hooks = hooks
    this.#topics = options.topics
    this.gone = new Promise((resolve) => (this.#setGone = resolve))
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  assignments(): readonly Assignment[] {
    return [...this.#owned.values()]
  }

  get topics(): readonly string[] {
    return this.#topics
  }

  async subscribe(topics: readonly string[]): Promise<void> {
    this.#topics = topics
    if (this.#isAlive) await Promise.race([this.#hooks.share(), this.gone])
  }

  async leave(): Promise<void> {
    if (!this.#isAlive) return
    this.end()
    this.#hooks.leave(this)
  }

  end(): void {
    this.#isAlive = false
    this.#owned = new Map()
    this.#setGone()
  }

  wants(at: TopicPartition): boolean {
    return this.#topics.includes(at.topic)
  }

  owns(at: TopicPartition): boolean {
    return this.#owned.has(partitionKey(at))
  }

  epochOf(key: string): number | undefined {
    return this.#owned.get(key)?.epoch
  }

  /** True if that changed anything. What stays keeps its epoch. */
  take(share: readonly TopicPartition[], nextEpoch: () => number): boolean {
    const owned = new Map<string, Assignment>()
    let changed = share.length !== this.#owned.size
    for (const { topic, partition } of share) {
      const key = partitionKey({ topic, partition })
      const kept = this.#owned.get(key)
      changed ||= !kept
      owned.set(key, kept ?? { topic, partition, epoch: nextEpoch() })
    }
    this.#owned = owned
    return changed
  }
}

interface Group {
  members: Member[]
  /** Joined, and without an assignment until the next round. */
  joining: Array<{ member: Member; joined: () => void }>
  isStale: boolean
  round: Promise<void> | undefined
}

export class Coordinator {
  readonly #groups = new Map<string, Group>()
  readonly #partitionsOf: (topic: string) => readonly TopicPartition[]
  readonly #log: EmbeddedLogger
  #epoch: number

  constructor(options: {
    /** The log's generation, which makes epochs new after a restart. */
    generation: number
    partitionsOf: (topic: string) => readonly TopicPartition[]
    log: EmbeddedLogger
  }) {
    this.#epoch = options.generation * EPOCHS_A_GENERATION
    this.#partitionsOf = options.partitionsOf
    this.#log = options.log
  }

  /** Resolves when the member has its first assignment. */
  async join(options: JoinOptions): Promise<Membership> {
    const group = this.#groupOf(options.group)
    const member = new Member(options, {
      leave: (left) => this.#remove(group, left),
      share: () => this.#rebalance(group),
    })
    await new Promise<void>((joined) => {
      group.joining.push({ member, joined })
      void this.#rebalance(group)
    })
    return member
  }

  hasMembers(group: string): boolean {
    const found = this.#groups.get(group)
    return found !== undefined && found.members.length + found.joining.length > 0
  }

  /** A new topic: those who asked for it share it out. */
  topicAdded(topic: string): void {
    for (const group of this.#groups.values()) {
      if (group.members.some((member) => member.topics.includes(topic))) {
        void this.#rebalance(group)
      }
    }
  }

  close(): void {
    for (const group of this.#groups.values()) {
      for (const member of group.members) member.end()
      for (const { member, joined } of group.joining) {
        member.end()
        joined()
      }
      // A round that still waits for a listener finds nobody left.
      group.members = []
      group.joining = []
    }
  }

  #groupOf(name: string): Group {
    let group = this.#groups.get(name)
    if (!group) {
      group = { members: [], joining: [], isStale: false, round: undefined }
      this.#groups.set(name, group)
    }
    return group
  }

  #remove(group: Group, member: Member): void {
    group.members = group.members.filter((other) => other !== member)
    void this.#rebalance(group)
  }

  #rebalance(group: Group): Promise<void> {
    group.isStale = true
    group.round ??= this.#rounds(group)
    return group.round
  }

  async #rounds(group: Group): Promise<void> {
    // Who joins in the same turn of the loop is in the same round.
    await Promise.resolve()
    while (group.isStale) {
      group.isStale = false
      await this.#round(group)
    }
    group.round = undefined
  }

  /** Asks those who will lose something, waits for them, then moves everything in one step. */
  async #round(group: Group): Promise<void> {
    const asked = new Set<Member>()
    for (;;) {
      const losing = this.#losing(group).filter((member) => !asked.has(member))
      if (losing.length === 0) break
      await Promise.all(losing.map((member) => this.#prepare(member)))
      for (const member of losing) asked.add(member)
    }
    const joining = group.joining.filter(({ member }) => member.isAlive)
    const shares = this.#sharesOf(group)
    group.members.push(...joining.map(({ member }) => member))
    group.joining = []
    const before = new Map(group.members.map((member) => [member, member.assignments().length]))
    const changed: Member[] = []
    for (const [member, share] of shares) {
      const isNew = joining.some((joined) => joined.member === member)
      const moved = member.take(share, () => ++this.#epoch)
      // Who was asked to get ready waits for an answer, also when in the end nothing moved.
      if (moved || isNew || asked.has(member)) changed.push(member)
    }
    // Who lost something hears of it first.
    const gain = (member: Member): number => member.assignments().length - (before.get(member) ?? 0)
    for (const member of changed.sort((a, b) => gain(a) - gain(b))) this.#tell(member)
    for (const { joined } of joining) joined()
  }

  #sharesOf(group: Group): Map<Member, TopicPartition[]> {
    const members = [...group.members, ...group.joining.map(({ member }) => member)]
    const topics = new Set(members.flatMap((member) => member.topics))
    const partitions = [...topics].sort().flatMap((topic) => this.#partitionsOf(topic))
    return assignSticky(partitions, members)
  }

  #losing(group: Group): Member[] {
    const shares = this.#sharesOf(group)
    return group.members.filter((member) => {
      const keeps = new Set(shares.get(member)?.map(partitionKey))
      return member.assignments().some((assignment) => !keeps.has(partitionKey(assignment)))
    })
  }

  async #prepare(member: Member): Promise<void> {
    const { group, listener, rebalanceTimeoutMs = DEFAULT_REBALANCE_TIMEOUT_MS } = member.options
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, rebalanceTimeoutMs, true)
    })
    const gone = member.gone.then(() => false)
    try {
      const ready = listener.rebalancing(rebalanceTimeoutMs).then(() => false)
      if (await Promise.race([ready, gone, late])) {
        this.#log.warn(
          { group, memberId: member.memberId, rebalanceTimeoutMs },
          'a member was not ready in time; its partitions move all the same',
        )
      }
    } catch (error) {
      this.#log.warn(
        { group, memberId: member.memberId, error },
        'a member failed to get ready; its partitions move all the same',
      )
    } finally {
      clearTimeout(timer)
    }
  }

  #tell(member: Member): void {
    try {
      member.options.listener.assigned(member.assignments())
    } catch (error) {
      const { group } = member.options
      this.#log.warn({ group, memberId: member.memberId, error }, 'a listener threw in assigned')
    }
  }
}
