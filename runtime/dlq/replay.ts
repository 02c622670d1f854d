/**
 * Gives dead letters back to the trigger that failed, and to no other: their events go to the retry topic
 * of its group, in one transaction with the note that they did.
 */
import { retryTopic } from '../broker/names.ts'
import type { Log } from '../contract/log-access.ts'
import { closedText, closeLetters, type Skipped } from './close-letters.ts'
import { inOriginOrder, type Letter } from './letter.ts'
import { retryRecord, type RetryTopic } from './retry-record.ts'
import { selectLetters, type LetterGroup, type Selection } from './select.ts'
import { prefixOf, type LetterStates } from './states.ts'

export interface ReplayOptions {
  /** At most so many events a second. Default: as fast as it goes. */
  perSecond?: number
  dryRun?: boolean
}

export interface ReplayResult {
  selected: number
  /** In a dry run: those that would be. */
  replayed: Letter[]
  skipped: Skipped[]
}

/** As for topics of dead letters: what was accepted once must fit again. */
const MAX_MESSAGE_BYTES = 2 * 1024 * 1024

export async function replayLetters(
  log: Log,
  selection: Selection,
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  const result: ReplayResult = { selected: 0, replayed: [], skipped: [] }
  for (const group of await selectLetters(log.reader, selection)) {
    const { ready, skipped } = readyToReplay(group)
    result.selected += group.selected.length
    result.skipped.push(...skipped)
    if (options.dryRun) {
      result.replayed.push(...ready)
      continue
    }
    const done = await replayGroup(log, group, ready, options)
    result.replayed.push(...done.closed)
    result.skipped.push(...done.skipped)
  }
  return result
}

async function replayGroup(
  log: Log,
  group: LetterGroup,
  ready: readonly Letter[],
  options: ReplayOptions,
): Promise<{ closed: Letter[]; skipped: Skipped[] }> {
  const [first] = ready
  if (first === undefined) return { closed: [], skipped: [] }
  const to = await ensureRetryTopic(log, group.topic, first)
  return closeLetters(ready, {
    log,
    topic: group.topic,
    states: group.states,
    ...(options.perSecond === undefined ? {} : { perSecond: options.perSecond }),
    change: async (letter, read) => {
      const record = retryRecord(letter.ref, await read(), to)
      const place = typeof record.partitionBy === 'number' ? `/${record.partitionBy}` : ''
      return {
        records: [record],
        state: { state: 'replayed', at: new Date().toISOString(), to: `${to.topic}${place}` },
      }
    },
  })
}

/** As many partitions as the broker's topic has, so that keys which share one there share one here. */
async function ensureRetryTopic(log: Log, topic: string, letter: Letter): Promise<RetryTopic> {
  const origin = letter.origin?.topic
  const [info] = origin === undefined ? [] : await log.reader.topics([origin])
  return log.writer.ensureTopic(retryTopic(prefixOf(topic)), {
    ...(info === undefined ? {} : { partitions: info.partitions }),
    config: { 'max.message.bytes': String(MAX_MESSAGE_BYTES) },
  })
}

/** Those that can be replayed now, in the order in which their events came into the broker. */
function readyToReplay(group: LetterGroup): { ready: Letter[]; skipped: Skipped[] } {
  const ready: Letter[] = []
  const skipped: Skipped[] = []
  const chosen = new Set(group.selected)
  const blockers = firstUnselected(group.all, chosen, group.states)
  for (const letter of group.selected.toSorted(inOriginOrder)) {
    const reason = reasonToSkip(letter, group.states, blockers)
    if (reason === undefined) ready.push(letter)
    else skipped.push({ ref: letter.ref, reason })
  }
  return { ready, skipped }
}

function reasonToSkip(
  letter: Letter,
  states: LetterStates,
  blockers: ReadonlyMap<string, Letter>,
): string | undefined {
  const state = states.of(letter.ref)
  if (state !== undefined) return closedText(state)
  if (letter.trigger === '') return 'its headers do not say which trigger failed'
  const blocker = letter.code === 'FN_DELIVERY_PARKED' ? blockers.get(laneOf(letter)) : undefined
  if (blocker === undefined || inOriginOrder(blocker, letter) >= 0) return undefined
  return (
    `it is parked behind ${blocker.ref}, an earlier dead letter of the same key, ` +
    'which is open and not selected; replay, edit or discard that one too'
  )
}

/** The first open letter of each key that stays where it is: what is parked behind it waits for it. */
function firstUnselected(
  all: readonly Letter[],
  chosen: ReadonlySet<Letter>,
  states: LetterStates,
): Map<string, Letter> {
  const first = new Map<string, Letter>()
  for (const letter of all) {
    if (letter.key === null || chosen.has(letter) || states.of(letter.ref) !== undefined) continue
    const lane = laneOf(letter)
    const known = first.get(lane)
    if (known === undefined || inOriginOrder(letter, known) < 0) first.set(lane, letter)
  }
  return first
}

function laneOf({ trigger, key }: Letter): string {
  return `${trigger} ${key?.toString('latin1') ?? ''}`
}
