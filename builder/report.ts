import type { Manifest } from '../runtime/contract/manifest.ts'
import type { MillraceError } from '../runtime/errors.ts'

/** One function that could not be built, and why. */
export interface BuildFailure {
  function: string
  /** Relative to the project. */
  file: string
  error: MillraceError
}

export interface BuildWarning {
  function: string
  message: string
}

/** Milliseconds. Bundling and reading run side by side, so the parts may add up to more than the whole. */
export interface BuildDurations {
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

/** Most messages begin with the place already. */
function withFile(message: string, file: string): string {
  return message.startsWith(file) ? message : `${file}: ${message}`
}
