/** What the pump answers: result rows, data texts, and the caps on both and on log lines. */
import { capped, quote, slice } from './kernel-intrinsics.isolate.ts'
import { STATUS } from './kernel-protocol.ts'
import type { Run } from './kernel-run.isolate.ts'

/** What one pump may bring back; more waits for the next. */
const MAX_OUT_UNITS = 8 * 1024 * 1024
const MAX_LINE_UNITS = 4 * 1024
const MAX_LOG_UNITS = 64 * 1024
const LEFT_OUT = '[1,"further log lines were left out: more than 64 KiB"]'

class Late {
  readonly row: string
  readonly text: string
  next: Late | null = null
  constructor(row: string, text: string) {
    this.row = row
    this.text = text
  }
}

/** The very array that the worker copies when the microtasks of a pump have run. */
export const answer: [rows: string, texts: string] = ['', '']
let units = 0
let late: Late | null = null
let lastLate: Late | null = null
let lineUnits = 0
let linesFull = false

/** Forgets what the last pump answered, and brings forward what did not fit into it. */
export function beginAnswer(): void {
  answer[0] = ''
  answer[1] = ''
  units = 0
  lineUnits = 0
  linesFull = false
  while (late !== null && units < MAX_OUT_UNITS) {
    write(late.row, late.text)
    late = late.next
  }
  if (late === null) lastLate = null
}

/** Whether results wait for another pump. */
export function isAnswerFull(): boolean {
  return units >= MAX_OUT_UNITS || late !== null
}

export function emit(row: string, text: string): void {
  if (late === null && (units === 0 || units + row.length + text.length <= MAX_OUT_UNITS)) {
    write(row, text)
    return
  }
  const entry = new Late(row, text)
  if (lastLate === null) late = entry
  else lastLate.next = entry
  lastLate = entry
}

/** A line of `run`, or of no event in flight. `level` is a place in `LEVELS`. */
export function emitLine(run: Run | null, level: number, message: string): void {
  const text =
    message.length > MAX_LINE_UNITS
      ? slice(message, 0, MAX_LINE_UNITS) +
        ` … (${message.length - MAX_LINE_UNITS} more characters)`
      : message
  if (run === null || run.settled) {
    if (linesFull) return
    linesFull = lineUnits + text.length > MAX_LOG_UNITS
    lineUnits += text.length
    emit(
      linesFull
        ? `[${STATUS.line},1,"further log lines were left out: more than 64 KiB"]`
        : `[${STATUS.line},${level},${quote(text)}]`,
      '',
    )
    return
  }
  if (run.logFull) return
  run.logFull =
    run.logUnits + text.length > MAX_LOG_UNITS || lineUnits + text.length > MAX_LOG_UNITS
  run.logUnits += text.length
  lineUnits += text.length
  const line = run.logFull ? LEFT_OUT : `[${level},${quote(text)}]`
  run.logs = run.logs === '' ? line : run.logs + ',' + line
}

export function reasonText(text: string): string {
  return quote(capped(text, 2_000))
}

function write(row: string, text: string): void {
  answer[0] = answer[0] === '' ? row : answer[0] + ',' + row
  if (text !== '') answer[1] += text
  units += row.length + text.length
}
