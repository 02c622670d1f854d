/** What a mode works with: the processes, the load, the log, and a schedule by chance. */
import { setTimeout as delay } from 'node:timers/promises'
import type { KafkaCluster, KafkaOptions } from '../support/kafka.ts'
import type { ChainNames, ChainOptions } from './chain.ts'
import type { Cleanup } from './cleanup.ts'
import type { Deployment } from './deployment.ts'
import type { Load } from './load.ts'
import type { LoadShape } from './load-events.ts'
import type { Random } from './random.ts'
import type { SmallDisk } from './small-disk.ts'

export type Driver = 'kafka' | 'embedded'

export interface ModeSettings {
  load: Omit<LoadShape, 'seed'> & { eventsPerSecond: number }
  chain: Pick<ChainOptions, 'waitMs' | 'retry'>
  /** More flags for `fn start`. */
  flags: string[]
  /** A Kafka of the mode's own, with these options. */
  kafka?: KafkaOptions
  /** The embedded log lies on a file system of this size. */
  diskMiB?: number
}

export interface Mode {
  name: string
  drivers: readonly Driver[]
  /** How often harm is done in the full run. */
  times: number
  /** How long the load goes on in the full run, for modes without single blows. */
  seconds?: number
  settings?(usual: ModeSettings, seconds: number): ModeSettings
  run(scene: Scene): Promise<void>
}

/** Taken right before each blow. */
export interface Moment {
  unfinished: number
  /** Events that were accepted in the second before it. */
  eventsPerSecond: number
}

export interface SceneParts {
  t: Cleanup
  driver: Driver
  times: number
  seconds: number
  names: ChainNames
  random: Random
  deployment: Deployment
  load: Load
  kafka: KafkaCluster | undefined
  disk: SmallDisk | undefined
  tell: (text: string) => void
}

/** Fewer would make a kill hit nothing. */
export const MIN_UNFINISHED = 500
export const MIN_EVENTS_PER_SECOND = 1_000
const RATE_WINDOW_MS = 1_000
/** With more than this behind it, the chain would never see the end of what piles up. */
const MAX_UNFINISHED = 5_000
const CATCH_UP_DEADLINE_MS = 120_000
const BUSY_DEADLINE_MS = 20_000
const POLL_MS = 20

export class Scene {
  readonly parts: SceneParts
  readonly moments: Moment[] = []

  constructor(parts: SceneParts) {
    this.parts = parts
  }

  /** Part of the schedule, never a wait for something to be done. */
  async pause(leastMs: number, mostMs: number): Promise<void> {
    await delay(this.parts.random.between(leastMs, mostMs))
  }

  /** The load waits while the chain catches up, where more has piled up than a real one would send. */
  async catchUp(): Promise<void> {
    const { deployment, load, tell } = this.parts
    if (deployment.unfinished < MAX_UNFINISHED) return
    const [from, unfinished] = [performance.now(), deployment.unfinished]
    load.pause()
    while (deployment.unfinished > 2 * MIN_UNFINISHED) {
      if (performance.now() > from + CATCH_UP_DEADLINE_MS) break
      await delay(POLL_MS)
    }
    tell(`caught up on ${unfinished} in ${Math.round(performance.now() - from)} ms`)
    load.goOn()
  }

  /** Waits until enough is under way for a blow to hurt, and notes how much that is. */
  async underLoad(): Promise<void> {
    const { deployment, load } = this.parts
    const deadline = performance.now() + BUSY_DEADLINE_MS
    const samples: Array<{ at: number; accepted: number }> = []
    for (;;) {
      const now = { at: performance.now(), accepted: load.accepted }
      samples.push(now)
      while ((samples[1]?.at ?? Infinity) <= now.at - RATE_WINDOW_MS) samples.shift()
      const first = samples[0] ?? now
      const seconds = (now.at - first.at) / 1_000
      const eventsPerSecond = Math.round((now.accepted - first.accepted) / Math.max(seconds, 1))
      const { unfinished } = deployment
      const isBusy = unfinished >= MIN_UNFINISHED && eventsPerSecond >= MIN_EVENTS_PER_SECOND
      if (isBusy || now.at > deadline) {
        this.moments.push({ unfinished, eventsPerSecond })
        return
      }
      await delay(POLL_MS)
    }
  }

  /** Writes down from when to when the action took: what comes twice around it is explained. */
  async harm<T>(name: string, action: () => Promise<T>): Promise<T> {
    const from = Date.now()
    const result = await action()
    this.parts.tell(`${name}, ${Date.now() - from} ms`)
    this.parts.load.note({ kind: 'harm', name, from, until: Date.now() })
    return result
  }

  /** Waits until the load flows again after something stopped it. */
  async flows(events = 1): Promise<void> {
    const before = this.parts.load.accepted
    const deadline = performance.now() + 60_000
    while (this.parts.load.accepted < before + events) {
      if (performance.now() > deadline) throw new Error('the load does not flow any more')
      await delay(POLL_MS)
    }
  }
}
