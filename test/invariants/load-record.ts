/**
 * What is known of a load from outside: which events were sent, which of them the log promised to keep,
 * and which harm was done when. One JSON object a line, only ever appended to.
 */
import { readFile } from 'node:fs/promises'

/** The functions of the chain, in order; a poison event fails in one of them. */
export const FUNCTIONS = ['a', 'b', 'c'] as const
export type FunctionName = (typeof FUNCTIONS)[number]

/** The types of the chain: each function reads one and replies with the next. */
export const STEPS = ['load.in', 'load.one', 'load.two', 'load.out'] as const
export type Step = (typeof STEPS)[number]

export const LOAD_SOURCE = '/faults/load'

export interface LoadEvent {
  id: string
  key: string
  /** 1, 2, 3, … within its key. */
  n: number
  /** The function that throws on it. */
  poison?: FunctionName
}

export type RecordLine =
  | { kind: 'sent'; batch: number; at: number; events: LoadEvent[] }
  /** The log promised to keep the batch. */
  | { kind: 'accepted'; batch: number; at: number }
  /** The answer was lost or said "send it again": the log may have the batch, also more than once. */
  | { kind: 'unsure'; batch: number; at: number; reason: string }
  | ({ kind: 'harm' } & Harm)

/** Something that was done to the system; times in ms since the epoch. */
export interface Harm {
  name: string
  from: number
  until: number
}

export interface SentEvent extends LoadEvent {
  accepted: boolean
  /** How often its answer was lost. */
  unsure: number
}

export interface LoadRecord {
  events: SentEvent[]
  harms: Harm[]
}

export async function readLoadRecord(file: string): Promise<LoadRecord> {
  const text = await readFile(file, 'utf8')
  const lines = text.split('\n').filter(Boolean)
  return loadRecord(lines.map((line) => JSON.parse(line) as RecordLine))
}

export function loadRecord(lines: readonly RecordLine[]): LoadRecord {
  const batches = new Map<number, SentEvent[]>()
  const harms: Harm[] = []
  for (const line of lines) {
    if (line.kind === 'harm') {
      harms.push({ name: line.name, from: line.from, until: line.until })
    } else if (line.kind === 'sent') {
      batches.set(
        line.batch,
        line.events.map((event) => ({ ...event, accepted: false, unsure: 0 })),
      )
    } else {
      for (const event of batches.get(line.batch) ?? []) {
        if (line.kind === 'accepted') event.accepted = true
        else event.unsure++
      }
    }
  }
  return { events: [...batches.values()].flat(), harms }
}
