import type { CloudEvent, Context } from 'millrace'

/** An event for calling a handler directly. */
export function eventOf<T>(
  type: string,
  data: T,
  attributes: Record<string, string | number | boolean> = {},
): CloudEvent<T> {
  return { specversion: '1.0', id: 'e-1', source: 'orders-service', ...attributes, type, data }
}

/** A context that keeps what the handler logs. */
export function contextOf(): { context: Context; lines: string[] } {
  const lines: string[] = []
  const write = (...parts: unknown[]): void => void lines.push(parts.join(' '))
  const context: Context = {
    attempt: 1,
    idempotencyKey: 'events/trigger/e-1',
    trigger: 'events/trigger',
    log: { debug: write, info: write, warn: write, error: write },
    signal: new AbortController().signal,
  }
  return { context, lines }
}
