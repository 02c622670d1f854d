/** `console` and `context.log`: lines go with the results of the event that wrote them. */
import {
  NativeError,
  StringOf,
  jsonStringify,
  typedArrayLength,
  typedArrayTag,
} from './kernel-intrinsics.isolate.ts'
import { setGlobal } from './kernel-jail.isolate.ts'
import { emitLine } from './kernel-out.isolate.ts'
import type { Run } from './kernel-run.isolate.ts'

const [DEBUG, INFO, WARN, ERROR] = [0, 1, 2, 3] as const

export interface RunLog {
  debug(...values: unknown[]): void
  info(...values: unknown[]): void
  warn(...values: unknown[]): void
  error(...values: unknown[]): void
}

/** Lines of `run`, or of no event. */
export function runLog(run: Run | null): RunLog {
  return logTo(() => run)
}

/** A line goes to the event in whose synchronous stretch it is; after an `await`, as far as is known. */
export function installConsole(currentRun: () => Run | null): void {
  const log = logTo(currentRun)
  setGlobal('console', { ...log, log: log.info, trace: log.debug })
}

function logTo(run: () => Run | null): RunLog {
  const write =
    (level: number) =>
    (...values: unknown[]): void =>
      emitLine(run(), level, format(values))
  return { debug: write(DEBUG), info: write(INFO), warn: write(WARN), error: write(ERROR) }
}

function format(values: unknown[]): string {
  let line = ''
  for (let index = 0; index < values.length; index++) {
    line += (index === 0 ? '' : ' ') + show(values[index])
  }
  return line
}

/** Text as it is, errors with their stack, the rest as JSON. Never throws. */
export function show(value: unknown): string {
  try {
    if (typeof value === 'string') return value
    if (typeof value === 'function') return `[function ${value.name}]`
    if (typeof value !== 'object' || value === null) return StringOf(value)
    if (value instanceof NativeError) return `${value.stack ?? value.message}`
    const tag = typedArrayTag(value)
    if (tag !== undefined) return `${StringOf(tag)}(${typedArrayLength(value)})`
    return jsonStringify(value) ?? '[object]'
  } catch (error) {
    return `[cannot be shown: ${error instanceof NativeError ? error.message : 'it threw'}]`
  }
}
