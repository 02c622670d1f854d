import type { Manifest } from '../runtime/contract/manifest.ts'
import type { MillraceError } from '../runtime/errors.ts'

/** One function that could not be built, and why; without a name, several that clash. */
export interface BuildFailure {
  function?: string
  /** Relative to the project. */
  file?: string
  error: MillraceError
}

export interface BuildWarning {
  function: string
  message: string
}

export interface BuildDurations {
  /** Writing included. */
  totalMs: number
  bundleMs: number
  metadataMs: number
}

export interface BuildReport {
  /** Every function, sorted by name; `undefined` when anything failed, and then nothing was written. */
  manifest: Manifest | undefined
  warnings: BuildWarning[]
  failures: BuildFailure[]
  durations: BuildDurations
}

/** For people: one block a failure or warning, ready to print. */
export function reportText({ failures, warnings }: BuildReport): string {
  return [
    ...failures.map(({ error, file }) => `${withFile(error.message, file)}\n  ${error.code}`),
    ...warnings.map(({ message }) => `warning: ${message}`),
  ].join('\n\n')
}

/** Most messages name the place already. */
function withFile(message: string, file: string | undefined): string {
  return file === undefined || message.includes(file) ? message : `${file}: ${message}`
}
