/**
 * What became of the dead letters of one trigger, read from its state topic.
 *
 * Who changes a state says where the topic ended when it looked (`Transaction.expect`), so that of two
 * operators who decide on the same letter at once only one succeeds.
 */
import { deadLetterStateTopic, deadLetterTopic } from '../broker/names.ts'
import type { AppendRecord, LogRecord, Transaction } from '../contract/broker.ts'
import type { DeadLetterState } from '../contract/dead-letter-state.ts'
import type { LogReader, LogWriter } from '../contract/log-access.ts'
import { readFrom } from './scan.ts'

const STATES: ReadonlySet<unknown> = new Set(['replayed', 'discarded', 'edited'])

export class LetterStates {
  readonly #reader: LogReader
  readonly #topic: string
  readonly #byRef = new Map<string, DeadLetterState>()
  /** Read up to here; undefined while the topic is not there. */
  #end: number | undefined

  constructor(reader: LogReader, prefix: string) {
    this.#reader = reader
    this.#topic = deadLetterStateTopic(prefix)
  }

  /** Undefined for an open letter. */
  of(ref: string): DeadLetterState | undefined {
    return this.#byRef.get(ref)
  }

  /** Reads what has been added since. */
  async refresh(): Promise<void> {
    const [info] = await this.#reader.topics([this.#topic])
    if (info === undefined) return
    const at = { topic: this.#topic, partition: 0 }
    const [range] = await this.#reader.ranges([at])
    if (range === undefined) return
    let position = Math.max(this.#end ?? range.start, range.start)
    while (position < range.end) {
      const batch = await readFrom(this.#reader, at, position)
      for (const record of batch.records) if (record.offset < range.end) this.#take(record)
      if (batch.next <= position) break
      position = batch.next
    }
    this.#end = range.end
  }

  /** For a transaction that relies on what was read. */
  expectation(): NonNullable<Transaction['expect']> {
    return [{ topic: this.#topic, partition: 0, end: this.#end ?? 0 }]
  }

  record(ref: string, state: DeadLetterState): AppendRecord {
    return {
      topic: this.#topic,
      key: ref,
      value: JSON.stringify(state),
      headers: [],
      partitionBy: 0,
    }
  }

  async ensureTopic(writer: LogWriter): Promise<void> {
    await writer.ensureTopic(this.#topic, {
      partitions: 1,
      config: { 'cleanup.policy': 'compact' },
    })
  }

  #take({ key, value }: LogRecord): void {
    if (key === null) return
    const ref = key.toString()
    const state = value === null ? undefined : stateOf(value)
    if (state === undefined) this.#byRef.delete(ref)
    else this.#byRef.set(ref, state)
  }
}

/** The states of the dead letters that this topic holds, as of now. */
export async function statesOf(reader: LogReader, topic: string): Promise<LetterStates> {
  const states = new LetterStates(reader, prefixOf(topic))
  await states.refresh()
  return states
}

const SUFFIX = deadLetterTopic('')

/** What the topics of that trigger are called after whose dead letters the topic holds. */
export function prefixOf(topic: string): string {
  return topic.slice(0, -SUFFIX.length)
}

/** Undefined for what we did not write; the letter counts as open then. */
function stateOf(value: Buffer): DeadLetterState | undefined {
  try {
    const parsed = JSON.parse(value.toString()) as DeadLetterState | null
    return STATES.has(parsed?.state) ? (parsed as DeadLetterState) : undefined
  } catch {
    return undefined // not JSON: not ours
  }
}
