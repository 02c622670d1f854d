/**
 * The load, in a process of its own: posts numbered events at a steady rate, sends again under the same
 * ids what was not answered, and writes down what it knows. One batch is under way at a time, so that
 * the events of a key are sent in order.
 *
 * Argument: `ProducerOptions` as JSON. Stdin: `pause`, `go`, and its end, after which the last batch is
 * sent until it is accepted. Stdout: the number of accepted events after each batch.
 */
import { openSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { LoadEvent, RecordLine } from '../invariants/load-record.ts'
import { LoadEvents, type LoadShape, type MadeEvent } from './load-events.ts'
import type { Sender } from './sender.ts'
import { ingressSender } from './send-to-ingress.ts'
import { kafkaSender, type KafkaTarget } from './send-to-kafka.ts'

export interface ProducerOptions extends LoadShape {
  recordFile: string
  eventsPerSecond: number
  target:
    | { kind: 'ingress'; projectDir: string; broker: string }
    | ({ kind: 'kafka' } & KafkaTarget)
}

const MAX_BATCH = 200
const MIN_BATCH = 25
/** What could not be sent while nobody listened is caught up on, up to so many seconds of it. */
const MAX_BEHIND_SECONDS = 1
const PAUSE_MS = 10
const STDOUT = 1

const options = JSON.parse(process.argv[2] ?? '') as ProducerOptions
const record = openSync(options.recordFile, 'a')
let stopping = false
let paused = false
createInterface(process.stdin)
  .on('line', (line) => (paused = line === 'pause'))
  .on('close', () => (stopping = true))

const sender = openSender(options.target)
const events = new LoadEvents(options)
let accepted = 0
let due = 0
let lastAt = performance.now()
for (let batch = 1; !stopping; batch++) {
  const count = await dueEvents()
  await sendUntilAccepted(batch, events.take(count))
  accepted += count
  writeSync(STDOUT, `${accepted}\n`)
}
await sender.close()

async function dueEvents(): Promise<number> {
  const { eventsPerSecond } = options
  for (;;) {
    const now = performance.now()
    due += ((now - lastAt) / 1_000) * eventsPerSecond
    lastAt = now
    due = Math.min(due, MAX_BEHIND_SECONDS * eventsPerSecond)
    if (paused) due = 0
    if (due >= MIN_BATCH || stopping) {
      const count = Math.max(1, Math.min(Math.floor(due), MAX_BATCH))
      due -= count
      return count
    }
    await delay(PAUSE_MS)
  }
}

async function sendUntilAccepted(batch: number, made: MadeEvent[]): Promise<void> {
  note({ kind: 'sent', batch, at: Date.now(), events: made.map(known) })
  for (;;) {
    const answer = await sender.send(made)
    const at = Date.now()
    if (answer.fate === 'accepted') return note({ kind: 'accepted', batch, at })
    if (answer.fate === 'unsure') note({ kind: 'unsure', batch, at, reason: answer.reason })
    await delay(PAUSE_MS)
  }
}

function known({ id, key, n, poison }: MadeEvent): LoadEvent {
  return poison === undefined ? { id, key, n } : { id, key, n, poison }
}

function note(line: RecordLine): void {
  writeSync(record, `${JSON.stringify(line)}\n`)
}

function openSender(target: ProducerOptions['target']): Sender {
  return target.kind === 'ingress'
    ? ingressSender(target.projectDir, target.broker)
    : kafkaSender(target)
}
