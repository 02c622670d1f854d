/**
 * The dead letters of one trigger and partition that keep later events of their key back, as the log has
 * them: nothing else remembers, so a restart finds what the process before had.
 */
import { deadLetterTopic, retryTopic } from '../broker/names.ts'
import type { Broker, TopicPartition } from '../contract/broker.ts'
import type { Log } from '../contract/log-access.ts'
import { topicPrefixOf, triggerName, type TriggerManifest } from '../contract/manifest.ts'
import type { KeptLetter, LetterFate, ParkingLot } from '../contract/parking.ts'
import { DEAD_LETTER_HEADERS, headerText } from './headers.ts'
import { inOriginOrder, type Letter } from './letter.ts'
import { replayLetters } from './replay.ts'
import { lettersOf, readFrom } from './scan.ts'
import { LetterStates } from './states.ts'

export interface ParkingLotOptions {
  log: Log
  trigger: TriggerManifest
  /** Partition of the broker's topic, and of the retry topic. */
  partition: number
  /** Offsets that the trigger has not finished, from a committed position on. */
  unfinished(committed: { offset: number; metadata: string }): (offset: number) => boolean
  broker: Pick<Broker, 'committed'>
}

export function createParkingLot(options: ParkingLotOptions): ParkingLot {
  const { log, trigger } = options
  const prefix = topicPrefixOf(trigger)
  const states = new LetterStates(log.reader, prefix)
  return {
    load: async () => {
      await states.refresh()
      const onTheWay = await sentLetters(options)
      const kept: Letter[] = []
      for await (const letter of lettersOf(log.reader, deadLetterTopic(prefix))) {
        if (letter.key === null || !isOwn(letter, options)) continue
        if (states.of(letter.ref) === undefined || onTheWay.has(letter.ref)) kept.push(letter)
      }
      return kept
        .toSorted(inOriginOrder)
        .map((letter) => keptLetter(letter, onTheWay.has(letter.ref)))
    },
    fates: async (refs) => {
      await states.refresh()
      return refs.map((ref) => fateOf(states, ref))
    },
    send: async (refs) => {
      await replayLetters(log, { refs })
    },
  }
}

function isOwn({ trigger, origin }: Letter, options: ParkingLotOptions): boolean {
  return (
    trigger === triggerName(options.trigger) &&
    origin?.topic === options.trigger.topic &&
    origin.partition === options.partition
  )
}

function keptLetter({ ref, key, code }: Letter, isSent: boolean): KeptLetter {
  const state = isSent ? 'sent' : code === 'FN_DELIVERY_PARKED' ? 'parked' : 'failed'
  return { ref, key: key as Buffer, state }
}

function fateOf(states: LetterStates, ref: string): LetterFate {
  const state = states.of(ref)
  switch (state?.state) {
    case undefined:
      return { fate: 'kept' }
    case 'replayed':
      return { fate: 'sent' }
    case 'discarded':
      return { fate: 'gone' }
    case 'edited':
      // Its place is written a moment after it.
      return state?.to === undefined ? { fate: 'kept' } : { fate: 'replaced', by: state.to }
  }
}

/** Letters whose event was sent back and is not finished. */
async function sentLetters(options: ParkingLotOptions): Promise<Set<string>> {
  const { log, trigger, partition, broker } = options
  const topic = retryTopic(topicPrefixOf(trigger))
  const [info] = await log.reader.topics([topic])
  if (info === undefined || partition >= info.partitions) return new Set()
  const at: TopicPartition = { topic, partition }
  const [range] = await log.reader.ranges([at])
  const [committed] = await broker.committed(trigger.group, [at])
  const from = {
    offset: committed?.offset ?? range?.start ?? 0,
    metadata: committed?.metadata ?? '',
  }
  const isUnfinished = options.unfinished(from)
  const refs = new Set<string>()
  for (let position = from.offset; position < (range?.end ?? 0);) {
    const batch = await readFrom(log.reader, at, position)
    for (const record of batch.records) {
      const ref = headerText(record, DEAD_LETTER_HEADERS.replayOf)
      if (ref !== undefined && isUnfinished(record.offset)) refs.add(ref)
    }
    if (batch.next <= position) break
    position = batch.next
  }
  return refs
}
