/** Brings the places in a stack back from the bundle to the function's own files. */
import { SourceMap, type SourceMapPayload } from 'node:module'
import type { Fault } from '../contract/outcome.ts'
import { KERNEL_FILE } from './kernel-protocol.ts'

const MAX_STACK = 4_000
/** Lines of the kernel, and of the worker, whose program came over its standard input. */
const OURS = [KERNEL_FILE, '<isolated-vm boundary>', '[stdin]']
/** `(file:line:column)` or `at file:line:column`, at the end of a line of a stack. */
const PLACE = /(\(|at (?:async )?)[^()\s]+:(\d+):(\d+)(\)?)$/

export class StackMap {
  readonly #json: string
  #map: SourceMap | undefined
  #broken = false

  /** `json`: source map v3. Not looked at before the first stack comes. */
  constructor(json: string) {
    this.#json = json
  }

  fault(fault: Fault): Fault {
    const { stack, ...rest } = fault
    return stack === undefined || stack === '' ? rest : { ...rest, stack: this.stack(stack) }
  }

  stack(stack: string): string {
    return stack
      .split('\n')
      .filter((line) => !OURS.some((ours) => line.includes(ours)))
      .map((line) => this.#line(line))
      .join('\n')
      .slice(0, MAX_STACK)
  }

  #line(line: string): string {
    const place = PLACE.exec(line)
    if (place === null) return line
    const [whole, before = '', row, column, after = ''] = place
    const origin = this.#source()?.findOrigin(Number(row), Number(column))
    if (origin === undefined || !('fileName' in origin) || origin.fileName === undefined)
      return line
    const at = `${origin.fileName}:${origin.lineNumber}:${origin.columnNumber}`
    return `${line.slice(0, -whole.length)}${before}${at}${after}`
  }

  #source(): SourceMap | undefined {
    if (this.#map === undefined && !this.#broken) {
      try {
        this.#map = new SourceMap(JSON.parse(this.#json) as SourceMapPayload)
      } catch {
        // A bundle without a usable map still has a stack, in the bundle's own lines.
        this.#broken = true
      }
    }
    return this.#map
  }
}
