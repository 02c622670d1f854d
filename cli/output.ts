/** Where command output goes: data to stdout, talk to stderr, and the exit codes. */
import { isMillraceError } from '../runtime/errors.ts'

export const EXIT = {
  done: 0,
  failed: 1,
  findings: 2,
  notReachable: 3,
  usage: 64,
  interrupted: 130,
} as const

/** One line of data. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/**
 * JSON on one line. A line break in valid JSON stands between tokens, never inside a string, so that a
 * payload's own text needs no parsing for it.
 */
export function onOneLine(json: string): string {
  return json.replaceAll(/[\r\n]+/g, ' ')
}

/** One line for a person. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Says what went wrong and gives the exit code for it. */
export function report(error: unknown): number {
  if (!isMillraceError(error)) {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error))
    return EXIT.failed
  }
  say(`${error.message} (${error.code})`)
  switch (error.code) {
    case 'FN_CLI_USAGE':
    case 'FN_CONFIG_INVALID':
      return EXIT.usage
    case 'FN_CLI_NOT_REACHABLE':
    case 'FN_BROKER_UNAVAILABLE':
    case 'FN_BROKER_LOG_IN_USE':
      return EXIT.notReachable
    default:
      return EXIT.failed
  }
}
