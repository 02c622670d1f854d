/** A cursor whose subscriber is the test, and a ledger that the test can read. */
import { Cursor, type CursorOptions, type Ledger } from '../../runtime/consumer/cursor.ts'
import type { LogRecord } from '../../runtime/contract/broker.ts'
import type { Event } from '../../runtime/contract/event.ts'
import type { Outcome } from '../../runtime/contract/outcome.ts'
import { sampleTrigger } from './sample-manifest.ts'

export class Books implements Ledger {
  consumedCount = 0
  returnedCount = 0
  readonly outcomes: Partial<Record<Outcome, number>> = {}
  /** Each call of `windowFull`. */
  readonly windows: boolean[] = []

  consumed(n = 1): void {
    this.consumedCount += n
  }

  outcome(outcome: Outcome, n = 1): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + n
  }

  returned(n = 1): void {
    this.returnedCount += n
  }

  windowFull(isFull: boolean): void {
    this.windows.push(isFull)
  }

  /** Consumed and without an end. */
  get inFlight(): number {
    const ended = Object.values(this.outcomes).reduce((sum, n) => sum + n, 0)
    return this.consumedCount - ended - this.returnedCount
  }
}

export interface TestCursor {
  cursor: Cursor
  books: Books
  /** Ids of the events that were delivered, in order. */
  delivered: string[]
  /** Ends an event, as its subscriber would. */
  settle: (record: LogRecord, outcome?: Outcome) => void
  channel: { waiting: number; closed: boolean }
  /** How often it said that there is room. */
  rooms: () => number
}

export function testCursor(name: string, given: Partial<CursorOptions> = {}): TestCursor {
  const books = new Books()
  const delivered: string[] = []
  const channel = { waiting: 0, closed: false }
  let rooms = 0
  let settled: ((record: LogRecord, outcome: Outcome) => void) | undefined
  const cursor = new Cursor({
    trigger: sampleTrigger(name),
    topic: 'orders',
    partition: 0,
    from: { offset: 0, metadata: '' },
    ledger: books,
    maxUnfinished: 65_536,
    open: ({ onSettled }) => {
      settled = onSettled
      return {
        get waiting() {
          return channel.waiting
        },
        deliver: (_, event) => delivered.push(event.attributes.id),
        restore: async () => {},
        close: () => {
          channel.closed = true
        },
      }
    },
    onRoom: () => rooms++,
    ...given,
  })
  const settle = (record: LogRecord, outcome: Outcome = 'acked'): void => settled?.(record, outcome)
  return { cursor, books, delivered, settle, channel, rooms: () => rooms }
}

export function recordAt(offset: number, timestamp = offset): LogRecord {
  return { offset, timestamp, key: null, value: Buffer.from(`e${offset}`), headers: [] }
}

export function eventNamed(id: string, source = '/test'): Event {
  return { attributes: { specversion: '1.0', id, source, type: 't' }, data: undefined }
}

/** Takes an event as a batch of one record would bring it. */
export function take({ cursor }: TestCursor, record: LogRecord, id: string): void {
  cursor.matched(record, eventNamed(id))
  cursor.advance(record.offset + 1, 1)
}

/** Until nothing moves any more without the test. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}
