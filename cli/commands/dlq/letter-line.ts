/** A dead letter as the commands print it. */
import type { Letter, LetterState } from '../../../runtime/dlq/letter.ts'

export interface LetterLine {
  ref: string
  trigger: string
  function: string
  /** Of a flow: the step that failed, `namespace/name`. */
  step?: string
  id: string
  source: string
  type: string
  code: string
  attempts: number
  firstAt: string
  lastAt: string
  error: { class: string; message: string }
  state: LetterState
}

export function letterLine(letter: Letter, state: LetterState): LetterLine {
  const { ref, trigger, id, source, type, code, attempts, firstAt, lastAt, error } = letter
  return {
    ref,
    trigger,
    function: letter.function,
    ...(letter.step === undefined ? {} : { step: letter.step }),
    id,
    source,
    type,
    code,
    attempts,
    firstAt,
    lastAt,
    error,
    state,
  }
}

export function readable(line: LetterLine): string {
  const { attempts, error } = line
  const state = line.state === 'open' ? '' : `  [${line.state}]`
  const where = line.step === undefined ? line.function : `${line.function} (${line.step})`
  return (
    `${line.ref}  ${where}  ${line.type}  ${line.id}  ${line.code} ` +
    `after ${attempts} attempt${attempts === 1 ? '' : 's'}: ${error.class}: ${error.message}${state}`
  )
}
