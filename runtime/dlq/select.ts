/** Which dead letters an operator means. */
import type { LogReader } from '../contract/log-access.ts'
import type { Letter } from './letter.ts'
import { parseRef } from './ref.ts'
import { deadLetterTopics, lettersOf, noRef, notFound } from './scan.ts'
import { statesOf, type LetterStates } from './states.ts'

/** All that are given must hold. */
export interface Selection {
  /** Exactly these letters; all of them must be there. */
  refs?: readonly string[]
  function?: string
  type?: string
  code?: string
  /** Written at or after this time, in ms since the epoch. */
  sinceMs?: number
  /** The record's key. */
  key?: string
  /** A text within the error's class or message. */
  error?: string
  /** At most so many open letters, the first ones of the log. */
  limit?: number
}

/** The dead letters of one trigger's group. */
export interface LetterGroup {
  topic: string
  /** Every letter that is there, in the order in which the events came into the broker. */
  all: Letter[]
  selected: Letter[]
  states: LetterStates
}

export function isEmptySelection(selection: Selection): boolean {
  return Object.values(selection).every(
    (value) => value === undefined || (Array.isArray(value) && value.length === 0),
  )
}

export function isSelected(letter: Letter, selection: Selection): boolean {
  const { refs, sinceMs, key, error } = selection
  return (
    (refs === undefined || refs.length === 0 || refs.includes(letter.ref)) &&
    (selection.function === undefined || letter.function === selection.function) &&
    (selection.type === undefined || letter.type === selection.type) &&
    (selection.code === undefined || letter.code === selection.code) &&
    (sinceMs === undefined || letter.writtenAt >= sinceMs) &&
    (key === undefined || letter.key?.toString() === key) &&
    (error === undefined ||
      letter.error.class.includes(error) ||
      letter.error.message.includes(error))
  )
}

/** The topics in which selected letters can lie. Throws `FN_CLI_USAGE` for a ref that is none. */
export async function topicsOf(reader: LogReader, selection: Selection): Promise<string[]> {
  if (selection.refs === undefined || selection.refs.length === 0) return deadLetterTopics(reader)
  const named = selection.refs.map((ref) => {
    const place = parseRef(ref)
    if (place === undefined) throw noRef(ref)
    return place.topic
  })
  return [...new Set(named)].toSorted()
}

/** All groups with selected letters. Throws `FN_CLI_NOT_FOUND` for a ref that is not there. */
export async function selectLetters(
  reader: LogReader,
  selection: Selection,
): Promise<LetterGroup[]> {
  const missing = new Set(selection.refs)
  const groups: LetterGroup[] = []
  let left = selection.limit ?? Number.POSITIVE_INFINITY
  for (const topic of await topicsOf(reader, selection)) {
    const states = await statesOf(reader, topic)
    const group: LetterGroup = { topic, all: [], selected: [], states }
    for await (const letter of lettersOf(reader, topic)) {
      group.all.push(letter)
      missing.delete(letter.ref)
      if (left <= 0 || !isSelected(letter, selection)) continue
      group.selected.push(letter)
      if (states.of(letter.ref) === undefined) left--
    }
    if (group.selected.length > 0) groups.push(group)
  }
  for (const ref of missing) throw notFound(ref)
  return groups
}
