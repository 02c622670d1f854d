import { relative } from 'node:path'
import { inspect } from 'node:util'
import type { EventData } from 'node:test'
import { fileOf } from './file-limit.ts'

/** The events of node:test that the report is made of. */
export type TestEvent =
  | { type: 'test:pass'; data: EventData.TestPass }
  | { type: 'test:fail'; data: EventData.TestFail }
  | { type: 'test:stdout' | 'test:stderr'; data: { file?: string; message: string } }
  | { type: 'test:summary'; data: { file?: string | undefined; duration_ms: number } }

export const REPORTED = [
  'test:pass',
  'test:fail',
  'test:stdout',
  'test:stderr',
  'test:summary',
] as const satisfies ReadonlyArray<TestEvent['type']>

export interface Counts {
  passed: number
  failed: number
  skipped: number
}

export interface ReporterOptions {
  root: string
  write(text: string): void
  /** With a pattern on names, a file may well have no test that runs. */
  mayBeEmpty: boolean
}

interface FileReport {
  counts: Counts
  durationMs: number
  output: string
}

interface Failure {
  file: string
  title: string
  text: string
}

interface Skip {
  file: string
  title: string
  reason: string
}

const SLOWEST_COUNT = 5
const SLOW_MS = 1_000
const MAX_OUTPUT_CHARACTERS = 100_000

/** Collects what the test processes report, and tells it at the end. */
export class Reporter {
  readonly #options: ReporterOptions
  readonly #files = new Map<string, FileReport>()
  readonly #failures: Failure[] = []
  readonly #skips: Skip[] = []
  /** Why a file was ended from outside. */
  readonly #ended = new Map<string, string>()

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  get counts(): Counts {
    const sum = { passed: 0, failed: 0, skipped: 0 }
    for (const { counts } of this.#files.values()) {
      sum.passed += counts.passed
      sum.failed += counts.failed
      sum.skipped += counts.skipped
    }
    return sum
  }

  take(event: TestEvent): void {
    switch (event.type) {
      case 'test:pass':
        return this.#pass(event.data)
      case 'test:fail':
        return this.#fail(event.data)
      case 'test:stdout':
      case 'test:stderr': {
        const report = this.#file(fileOf(event.data))
        if (report.output.length < MAX_OUTPUT_CHARACTERS) report.output += event.data.message
        return
      }
      case 'test:summary': {
        // The summary of a file; that of the whole run names none.
        const file = fileOf(event.data)
        if (file !== undefined) this.#fileDone(file, event.data.duration_ms)
      }
    }
  }

  /** Its process is about to be killed: this is what its failure will say. */
  ending(file: string, reason: string): void {
    this.#ended.set(file, reason)
    this.#write(`KILL ${this.#path(file)}  ${reason}\n`)
  }

  /** Failures in full, every skipped test with its reason, the slowest files. */
  end(): void {
    for (const { file, title, text } of this.#failures) {
      this.#write(`\n✖ ${file}: ${title}\n${indent(text)}\n`)
    }
    for (const file of new Set(this.#failures.map((failure) => failure.file))) {
      const output = this.#outputOf(file)
      if (output !== '') this.#write(`\nOutput of ${file}:\n${indent(output)}\n`)
    }
    if (this.#skips.length > 0) this.#write('\nSkipped:\n')
    for (const { file, title, reason } of this.#skips) {
      this.#write(`  ${file}: ${title}: ${reason}\n`)
    }
    const slowest = [...this.#files]
      .filter(([, report]) => report.durationMs >= SLOW_MS)
      .toSorted(([, a], [, b]) => b.durationMs - a.durationMs)
      .slice(0, SLOWEST_COUNT)
    if (slowest.length > 0) this.#write('\nSlowest files:\n')
    for (const [file, { durationMs }] of slowest) {
      this.#write(`  ${seconds(durationMs)}  ${this.#path(file)}\n`)
    }
  }

  #pass(data: EventData.TestPass): void {
    if (isWholeFile(data)) {
      // A process that ended well without a single test: nothing was checked.
      if (!this.#options.mayBeEmpty) {
        this.#failed(data.name, '(the file)', 'No test in it ran to its end.')
        this.#fileDone(data.name, data.details.duration_ms)
      }
      return
    }
    const title = titleOf(data)
    const reason = skipReason(data)
    // A suite that is skipped whole reports none of its tests.
    if (data.details.type === 'suite' && reason === undefined) return
    const { counts } = this.#file(fileOf(data))
    if (reason === undefined) {
      counts.passed++
      return
    }
    counts.skipped++
    this.#skips.push({ file: this.#path(fileOf(data)), title, reason })
  }

  #fail(data: EventData.TestFail): void {
    if (isWholeFile(data)) {
      const { message } = data.details.error
      const reason = this.#ended.get(data.name)
      const text = reason ?? `Its process failed outside the tests: ${message}`
      this.#failed(data.name, '(the file)', text)
      this.#fileDone(data.name, data.details.duration_ms)
      return
    }
    const title = titleOf(data)
    if (isFailureOfItsTests(data)) {
      // A suite is no test of its own; a test with subtests is one, told by them.
      if (data.details.type !== 'suite') this.#file(fileOf(data)).counts.failed++
      return
    }
    this.#failed(fileOf(data), title, errorText(data.details.error))
  }

  #failed(file: string | undefined, title: string, text: string): void {
    this.#file(file).counts.failed++
    this.#failures.push({ file: this.#path(file), title, text })
  }

  /** One line for a file that is done. */
  #fileDone(file: string, durationMs: number): void {
    const report = this.#file(file)
    report.durationMs = durationMs
    const { passed, failed, skipped } = report.counts
    const sign = failed > 0 ? 'FAIL' : 'ok  '
    const notes = [
      `${passed + failed} tests`,
      ...(failed > 0 ? [`${failed} failed`] : []),
      ...(skipped > 0 ? [`${skipped} skipped`] : []),
    ]
    this.#write(`${sign} ${this.#path(file)}  ${notes.join(', ')}, ${seconds(durationMs)}\n`)
  }

  #file(file: string | undefined): FileReport {
    const key = file ?? '(unknown file)'
    let report = this.#files.get(key)
    if (report === undefined) {
      report = { counts: { passed: 0, failed: 0, skipped: 0 }, durationMs: 0, output: '' }
      this.#files.set(key, report)
    }
    return report
  }

  #outputOf(path: string): string {
    const found = [...this.#files].find(([file]) => this.#path(file) === path)
    return found?.[1].output.trim() ?? ''
  }

  #path(file: string | undefined): string {
    return file === undefined ? '(unknown file)' : relative(this.#options.root, file)
  }

  #write(text: string): void {
    this.#options.write(text)
  }
}

/** The line that `npm test` ends in. */
export function summaryLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}

/** node:test reports a file as a test of its own where its process failed or had no test. */
function isWholeFile(data: { name: string; file?: string | undefined }): boolean {
  return data.name === data.file
}

/** The test's name after that of the suite around it, which newer releases of Node tell. */
function titleOf(data: { name: string }): string {
  const suite: unknown = Reflect.get(data, 'classname')
  return typeof suite === 'string' ? `${suite} > ${data.name}` : data.name
}

function isFailureOfItsTests(data: EventData.TestFail): boolean {
  return Reflect.get(data.details.error, 'failureType') === 'subtestsFailed'
}

function skipReason(data: EventData.TestPass): string | undefined {
  const { skip, todo } = data
  if (skip !== undefined && skip !== false)
    return typeof skip === 'string' ? skip : 'no reason given'
  if (todo !== undefined && todo !== false) return typeof todo === 'string' ? todo : 'to do'
  return undefined
}

function errorText(error: Error): string {
  const cause = error.cause ?? error
  return cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause)
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1_000).toFixed(1)} s`
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ')
}
