/** Triggers that go and come while the partitions that they read stay. */
import type { Broker } from '../contract/broker.ts'
import type { Logger } from '../contract/log.ts'
import type { TriggerManifest } from '../contract/manifest.ts'
import { within } from '../within.ts'
import { pause } from '../backoff.ts'
import type { ConsumerOptions, RetryTopics } from './consumer-options.ts'
import { eachLimited } from './limited.ts'
import type { OwnedPartition } from './owned-partition.ts'
import { placeKey, startingPoints, type Places, type StartingPoints } from './starting-points.ts'

/** The commit of what goes may take this long; what stands in for it knows the place anyhow. */
const COMMIT_MS = 1_000
const STARTED_AT_ONCE = 8
const RETRY_PAUSE_MS = 1_000

export interface StopTriggersOptions {
  /** Those that are owned as of now. */
  partitions: () => readonly OwnedPartition[]
  retire: ConsumerOptions['retire']
  commit: () => Promise<void>
}

/** Ends triggers for which nothing is read any more; gives where they stood. */
export async function stopTriggers(
  gone: ReadonlySet<TriggerManifest>,
  { partitions, retire, commit }: StopTriggersOptions,
): Promise<Places> {
  const places: Places = new Map()
  if (gone.size === 0) return places
  await Promise.all([...gone].map(retire))
  await within(COMMIT_MS, commit())
  const found = await Promise.all(partitions().map((owned) => owned.remove(gone)))
  for (const some of found) for (const [key, place] of some) places.set(key, place)
  return places
}

export interface StartTriggersOptions {
  partitions: StopTriggersOptions['partitions']
  /** Where triggers of the same groups stood. */
  places: Places
  broker: Broker
  retryTopics: () => Promise<RetryTopics>
  /** Why they are not started yet, for `/readyz`. */
  trouble: (trouble: string | undefined) => void
  /** Ends the tries. */
  stop: AbortSignal
  log: Logger
}

/** Writes the starts of new groups down, then reads for them; tries until it succeeds. Never rejects. */
export async function startTriggers(
  fresh: readonly TriggerManifest[],
  options: StartTriggersOptions,
): Promise<void> {
  const { trouble, stop, log } = options
  if (fresh.length === 0) return
  while (!stop.aborted) {
    try {
      await startOnce(fresh, options)
      return trouble(undefined)
    } catch (error) {
      if (stop.aborted) return
      trouble(`triggers could not be started: ${String(error)}`)
      log.error({ error: String(error) }, 'starting triggers failed; trying again')
      await pause(RETRY_PAUSE_MS, stop)
    }
  }
}

async function startOnce(
  fresh: readonly TriggerManifest[],
  options: StartTriggersOptions,
): Promise<void> {
  const { partitions, places } = options
  const topics = await options.retryTopics()
  const starts = await startsOf(fresh, options)
  await eachLimited(partitions(), STARTED_AT_ONCE, async (owned) => {
    await owned.add(fresh, starts)
    await owned.openRetries(topics, places)
  })
}

/** Places that are known come first; what is served already, by an earlier try, is not asked for again. */
async function startsOf(
  fresh: readonly TriggerManifest[],
  { partitions, places, broker, log }: StartTriggersOptions,
): Promise<StartingPoints> {
  const owned = partitions()
  const lacking = fresh.filter(
    (trigger) =>
      !trigger.delivery.exactlyOnce &&
      owned.some(
        (one) =>
          one.assignment.topic === trigger.topic &&
          !places.has(placeKey(trigger, one.assignment)) &&
          !one.serves(trigger),
      ),
  )
  const gained = owned.map(({ assignment }) => assignment)
  const asked =
    lacking.length === 0 ? undefined : await startingPoints(broker, lacking, gained, log)
  return (trigger, at) => {
    const known = places.get(placeKey(trigger, at)) ?? asked?.(trigger, at)
    if (known === undefined) throw new Error(`no start of ${trigger.group} was asked for`)
    return known
  }
}
