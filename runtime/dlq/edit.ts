/** Puts a dead letter with other data in the place of one whose data was wrong. */
import { appendAll, type AppendRecord, type LogRecord } from '../contract/broker.ts'
import type { Log } from '../contract/log-access.ts'
import { MillraceError } from '../errors.ts'
import { closedText, closeLetters } from './close-letters.ts'
import { DEAD_LETTER_HEADERS } from './headers.ts'
import { readLetter, type Letter } from './letter.ts'
import { refOf } from './ref.ts'
import { notFound, recordAt } from './scan.ts'
import { statesOf, type LetterStates } from './states.ts'

export interface OpenLetter {
  letter: Letter
  record: LogRecord
  states: LetterStates
}

/** A letter that may still be changed. Throws `FN_CLI_NOT_FOUND`, also for one that is closed. */
export async function openLetter(log: Log, ref: string): Promise<OpenLetter> {
  const { at, record } = await recordAt(log.reader, ref)
  const letter = readLetter(at, record)
  if (letter === undefined) throw notFound(ref)
  const states = await statesOf(log.reader, at.topic)
  const state = states.of(letter.ref)
  if (state !== undefined) throw closed(letter, closedText(state))
  return { letter, record, states }
}

/** Gives the `ref` of the new letter. */
export async function editLetter(
  log: Log,
  { letter, record, states }: OpenLetter,
  data: Buffer,
): Promise<string> {
  const { topic } = letter.place
  const at = new Date().toISOString()
  const { placed, skipped } = await closeLetters([letter], {
    log,
    topic,
    states,
    change: async () => ({
      records: [editedRecord(letter, record, data)],
      state: { state: 'edited', at },
    }),
  })
  const [skip] = skipped
  if (skip !== undefined) throw closed(letter, skip.reason)
  const [place] = placed
  if (place === undefined) throw notFound(letter.ref)
  const to = refOf(place, place.offset)
  // Only now the place is known; the letter is closed already, so nobody else writes its state.
  await appendAll(log.writer, [states.record(letter.ref, { state: 'edited', at, to })])
  return to
}

/** In the same partition, so that letters of one key stay together. */
function editedRecord(letter: Letter, record: LogRecord, data: Buffer): AppendRecord {
  const kept = record.headers.filter(([name]) => name.toString() !== DEAD_LETTER_HEADERS.edited)
  return {
    topic: letter.place.topic,
    key: record.key,
    value: data,
    headers: [...kept, [DEAD_LETTER_HEADERS.edited, letter.ref]],
    partitionBy: letter.place.partition,
  }
}

function closed(letter: Letter, why: string): MillraceError {
  return new MillraceError('FN_CLI_NOT_FOUND', `${letter.ref} is not open any more: it was ${why}`)
}
