/**
 * Fetches from one node. A broker works on one request of a connection at a time, so a long poll blocks
 * what comes behind it: polls run on a few lanes of their own, each for the partitions that wait at that
 * moment, and one more lane answers at once where all polls are busy. Records that are there are thus
 * never behind somebody else's poll; only a read that waits for records may have to wait for a lane.
 */
import type { Cluster } from './cluster.ts'
import type { Lane } from './connections.ts'
import { fetchApi, type FetchAnswer } from './fetch-api.ts'
import type { Demand } from './demand.ts'

const POLL_LANES: readonly Lane[] = Array.from({ length: 8 }, (_, i) => ({ name: `poll-${i}` }))
const QUICK_LANE: Lane = { name: 'quick' }
const LONG_POLL_MS = 500
/** While most lanes are busy: a read that finds none free waits no longer, and joins others then. */
const SHORT_POLL_MS = 100

export interface FetchOutcome {
  answer(demand: Demand, answer: FetchAnswer | undefined): void
  failure(demand: Demand, error: unknown): void
}

export class NodeFetcher {
  readonly #cluster: Cluster
  readonly #node: number
  readonly #outcome: FetchOutcome
  readonly #waiting = new Set<Demand>()
  readonly #busy = new Set<Lane>()
  #scheduled = false

  constructor(cluster: Cluster, node: number, outcome: FetchOutcome) {
    this.#cluster = cluster
    this.#node = node
    this.#outcome = outcome
  }

  add(demand: Demand): void {
    this.#waiting.add(demand)
    this.#schedule()
  }

  remove(demand: Demand): void {
    this.#waiting.delete(demand)
  }

  /** Goes on after the reads of this moment, so that they share a request. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#dispatch()
    })
  }

  #dispatch(): void {
    const now = Date.now()
    for (const lane of POLL_LANES) {
      if (this.#busy.has(lane)) continue
      const demands = this.#take((demand) => demand.until > now)
      if (demands.length === 0) break
      const soonest = Math.min(...demands.map((demand) => demand.until - now))
      const isBusy = this.#busy.size >= POLL_LANES.length / 2
      void this.#fetch(lane, demands, Math.min(soonest, isBusy ? SHORT_POLL_MS : LONG_POLL_MS))
    }
    if (this.#busy.has(QUICK_LANE)) return
    const demands = this.#take((demand) => demand.until <= now || !demand.tried)
    if (demands.length > 0) void this.#fetch(QUICK_LANE, demands, 0)
  }

  /** Takes demands out of the waiting ones, at most one a partition; a starved one goes alone. */
  #take(fits: (demand: Demand) => boolean): Demand[] {
    const taken = new Map<string, Demand>()
    for (const demand of this.#waiting) {
      if (taken.has(demand.key) || !fits(demand)) continue
      if (demand.starved && taken.size > 0) continue
      taken.set(demand.key, demand)
      if (demand.starved) break
    }
    for (const demand of taken.values()) this.#waiting.delete(demand)
    return [...taken.values()]
  }

  /** Never rejects. */
  async #fetch(lane: Lane, demands: Demand[], maxWaitMs: number): Promise<void> {
    this.#busy.add(lane)
    try {
      const { partitions } = await this.#cluster.ask(lane, this.#node, fetchApi, demands, maxWaitMs)
      for (const demand of demands) {
        demand.tried = true
        const answer = partitions.find(
          ({ topic, partition }) => topic === demand.topic && partition === demand.partition,
        )
        this.#outcome.answer(demand, answer)
      }
    } catch (error) {
      for (const demand of demands) this.#outcome.failure(demand, error)
    }
    this.#busy.delete(lane)
    this.#schedule()
  }
}
