/**
 * The logger that the stages see. Fields first, message second; the message is fixed text, what varies
 * goes into the fields. An error goes under `err`.
 */
export interface LogMethod {
  (message: string): void
  (fields: Record<string, unknown>, message: string): void
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface Logger {
  readonly debug: LogMethod
  readonly info: LogMethod
  readonly warn: LogMethod
  readonly error: LogMethod
  /** A logger that adds `fields` to each of its lines. */
  child(fields: Record<string, unknown>): Logger
}
