/** The load as the harness sees it: a process that it starts, watches and ends. */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { RecordLine } from '../invariants/load-record.ts'
import type { Cleanup } from './cleanup.ts'
import type { ProducerOptions } from './producer.ts'

const PRODUCER = join(import.meta.dirname, 'producer.ts')

export class Load {
  readonly #options: ProducerOptions
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #ended: Promise<void>
  #failure: Error | undefined
  #accepted = 0

  constructor(t: Cleanup, options: ProducerOptions) {
    this.#options = options
    this.#child = spawn(
      process.execPath,
      // kafkajs counts timeouts below zero.
      ['--disable-warning=TimeoutNegativeWarning', PRODUCER, JSON.stringify(options)],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    )
    const { stdin, stdout, stderr } = this.#child
    let errors = ''
    stdin.on('error', () => {
      // It has ended, and its exit code tells why.
    })
    stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    createInterface(stdout).on('line', (line) => (this.#accepted = Number(line)))
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => (this.#failure = error))
      this.#child.once('close', (code) => {
        if (code !== 0) this.#failure ??= new Error(`the producer ended with ${code}:\n${errors}`)
        resolve()
      })
    })
    t.after(() => {
      this.#child.kill('SIGKILL')
    })
  }

  /** Events that the log promised to keep, so far. Throws when the producer has failed. */
  get accepted(): number {
    if (this.#failure !== undefined) throw this.#failure
    return this.#accepted
  }

  /** Adds a line of the harness to the record of the load. */
  note(line: RecordLine): void {
    appendFileSync(this.#options.recordFile, `${JSON.stringify(line)}\n`)
  }

  pause(): void {
    this.#child.stdin.write('pause\n')
  }

  goOn(): void {
    this.#child.stdin.write('go\n')
  }

  /** Resolves when the last batch is accepted. */
  async stop(): Promise<void> {
    this.#child.stdin.end()
    await this.#ended
    if (this.#failure !== undefined) throw this.#failure
  }
}
