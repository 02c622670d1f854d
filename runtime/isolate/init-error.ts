import type { Fault } from '../contract/outcome.ts'
import { MillraceError } from '../errors.ts'

/** `fault` as the error of an `open` or a `read`; its stack is mapped already. */
export function initError(fault: Fault): MillraceError {
  const { message, stack } = fault
  return new MillraceError(
    'FN_HANDLER_INIT',
    `the function does not load: ${fault.class}: ${message}`,
    { detail: { class: fault.class, message, stack } },
  )
}
