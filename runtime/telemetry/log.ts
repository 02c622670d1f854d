/**
 * The only owner of pino. Logs go to stderr: stdout is for data.
 */
import { pino, type DestinationStream } from 'pino'
import type { Logger, LogLevel } from '../contract/log.ts'
import { formatPretty } from './log-pretty.ts'

export interface LogOptions {
  /** The lowest level that is written. */
  level: LogLevel
  /** `json`: one object a line, for machines. `pretty`: one short line, for people. */
  format: 'pretty' | 'json'
  /** Colours in the pretty format. Default: whether stderr is a terminal. */
  color?: boolean
  /** Default: stderr, written before the call returns, so that a crash loses no line. */
  destination?: DestinationStream
}

export function createLogger(options: LogOptions): Logger {
  const out = options.destination ?? stderr()
  const destination = options.format === 'json' ? out : prettyTo(out, options.color ?? hasColor())
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
}

function prettyTo(out: DestinationStream, color: boolean): DestinationStream {
  return { write: (line) => out.write(formatPretty(line, color)) }
}

function stderr(): DestinationStream {
  return pino.destination({ fd: process.stderr.fd, sync: true })
}

function hasColor(): boolean {
  return process.stderr.isTTY && process.stderr.hasColors()
}
