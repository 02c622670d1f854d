/**
 * Changes the state of dead letters, and writes what goes with it, in transactions: a letter is replayed,
 * discarded or edited once, whoever else tries at the same time.
 */
import type { AppendRecord, LogRecord } from '../contract/broker.ts'
import type { DeadLetterState } from '../contract/dead-letter-state.ts'
import type { Log, LogWriter, PlacedRecord } from '../contract/log-access.ts'
import { isMillraceError } from '../errors.ts'
import type { Letter } from './letter.ts'
import { recordAt } from './scan.ts'
import type { LetterStates } from './states.ts'

export interface LetterChange {
  records: AppendRecord[]
  state: DeadLetterState
}

export interface CloseOptions {
  log: Log
  /** Dead-letter topic; also the transactional id, which belongs to all who change its states. */
  topic: string
  states: LetterStates
  /** What is written for a letter; `record` is asked for only if it is wanted. */
  change: (letter: Letter, record: () => Promise<LogRecord>) => Promise<LetterChange>
  /** At most so many letters a second. Default: as fast as it goes. */
  perSecond?: number
}

export interface Skipped {
  ref: string
  reason: string
}

export interface CloseResult {
  closed: Letter[]
  /** They are closed already. */
  skipped: Skipped[]
  placed: PlacedRecord[]
}

const MAX_LETTERS = 200
const MAX_BYTES = 4 * 1024 * 1024
const READS_AT_ONCE = 8
/** Of other writers who were faster; each time somebody got on. */
const MAX_CONFLICTS = 100
const CONFLICT_PAUSE_MS = 20

export async function closeLetters(
  letters: readonly Letter[],
  options: CloseOptions,
): Promise<CloseResult> {
  const result: CloseResult = { closed: [], skipped: [], placed: [] }
  if (letters.length === 0) return result
  await options.states.ensureTopic(options.log.writer)
  await options.states.refresh()
  const startedAt = Date.now()
  for (const chunk of chunksOf(letters, options.perSecond)) {
    await closeChunk(chunk, options, result)
    if (options.perSecond === undefined) continue
    await pauseUntil(startedAt + (result.closed.length / options.perSecond) * 1000)
  }
  return result
}

async function closeChunk(
  chunk: readonly Letter[],
  options: CloseOptions,
  result: CloseResult,
): Promise<void> {
  const { log, topic, states } = options
  const changes = new Map<Letter, LetterChange>()
  for (let conflicts = 0; ; conflicts++) {
    const open = chunk.filter((letter) => states.of(letter.ref) === undefined)
    await prepare(open, changes, options)
    const mine = open.map((letter) => [letter, changes.get(letter) as LetterChange] as const)
    const records = mine.flatMap(([, change]) => change.records)
    const marks = mine.map(([letter, change]) => states.record(letter.ref, change.state))
    try {
      if (mine.length > 0) {
        const expect = states.expectation()
        result.placed.push(...(await transact(log.writer, topic, { records, marks, expect })))
      }
      result.closed.push(...open)
      for (const letter of chunk) {
        const state = open.includes(letter) ? undefined : states.of(letter.ref)
        if (state !== undefined) result.skipped.push({ ref: letter.ref, reason: closedText(state) })
      }
      await states.refresh()
      return
    } catch (error) {
      const raced =
        isMillraceError(error, 'FN_BROKER_CONFLICT') || isMillraceError(error, 'FN_BROKER_FENCED')
      if (!raced || conflicts >= MAX_CONFLICTS) throw error
      await pauseUntil(Date.now() + Math.random() * CONFLICT_PAUSE_MS)
      await states.refresh()
    }
  }
}

function transact(
  writer: LogWriter,
  id: string,
  parts: {
    records: AppendRecord[]
    marks: AppendRecord[]
    expect: ReturnType<LetterStates['expectation']>
  },
): Promise<PlacedRecord[]> {
  return writer.transact(id, {
    records: [...parts.records, ...parts.marks],
    expect: parts.expect,
  })
}

async function prepare(
  letters: readonly Letter[],
  changes: Map<Letter, LetterChange>,
  { log, change }: CloseOptions,
): Promise<void> {
  const waiting = letters.filter((letter) => !changes.has(letter))
  const next = waiting.values()
  const work = async (): Promise<void> => {
    for (const letter of next) {
      const record = async (): Promise<LogRecord> => (await recordAt(log.reader, letter.ref)).record
      changes.set(letter, await change(letter, record))
    }
  }
  await Promise.all(Array.from({ length: READS_AT_ONCE }, work))
}

function* chunksOf(letters: readonly Letter[], perSecond?: number): Generator<Letter[]> {
  const most = perSecond === undefined ? MAX_LETTERS : Math.min(MAX_LETTERS, perSecond)
  let chunk: Letter[] = []
  let bytes = 0
  for (const letter of letters) {
    if (chunk.length >= most || (chunk.length > 0 && bytes + letter.bytes > MAX_BYTES)) {
      yield chunk
      chunk = []
      bytes = 0
    }
    chunk.push(letter)
    bytes += letter.bytes
  }
  if (chunk.length > 0) yield chunk
}

/** Why a letter that is not open is left alone. */
export function closedText(state: DeadLetterState): string {
  switch (state.state) {
    case 'replayed':
      return `replayed already, at ${state.at}`
    case 'discarded':
      return `discarded at ${state.at}: ${state.reason ?? 'no reason given'}`
    case 'edited':
      return `edited at ${state.at}; ${state.to ?? 'another letter'} took its place`
  }
}

async function pauseUntil(timeMs: number): Promise<void> {
  const waitMs = timeMs - Date.now()
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
}
