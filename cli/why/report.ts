/** What `fn why` says of one event; the shape of its JSON. */
import type { AttemptTrace } from '../../runtime/contract/history.ts'
import type { Outcome } from '../../runtime/contract/outcome.ts'
import type { FailedClause } from '../../runtime/filter/explain.ts'
import type { LetterLine } from '../commands/dlq/letter-line.ts'

/** Said of what nobody remembers any more, instead of a guess. */
export const NOT_KEPT = 'not kept'
export type NotKept = typeof NOT_KEPT

export interface Place {
  topic: string
  partition: number
  offset: number
}

export interface WhyReport {
  id: string
  /** Every time that the event stands in the log, replays included. */
  occurrences: Occurrence[] | NotKept
  /** Events whose `causationid` is this id. */
  replies: ReplyLine[]
  deadLetters: WhyLetter[]
}

export interface Occurrence extends Place {
  /** RFC 3339, of the log. */
  timestamp: string
  key: string | null
  source: string
  type: string
  /** `ref` of the dead letter that was replayed, on the records of a retry topic. */
  replayOf?: string
  /** `not kept` where there is no build to say which triggers there are. */
  triggers: TriggerReport[] | NotKept
}

export interface TriggerReport {
  trigger: string
  function: string
  /** By the filters of the build, as it is now. */
  matches: boolean
  failed: FailedClause[]
  position: Position
  /** From the memory of the runtime that was reached. */
  attempts: AttemptTrace[] | NotKept
  /**
   * `deadlettered`, too, for what a step of a flow could not process: the log has that dead letter, while
   * the trigger's own subscriber has answered.
   */
  outcome: Outcome | 'under way' | NotKept
  /** Steps of flows at which it, or what came of it, became a dead letter. */
  deadLetteredAt: LetterOfStep[]
  /** RFC 3339. */
  endedAt: string | null
}

export interface LetterOfStep {
  /** As in `attempts`, and in the dead letter's attribute `fnstep`. */
  step: string
  /** `ref` of the dead letter. */
  ref: string
}

export interface Position {
  /**
   * - `finished`: below the committed offset, or among those that the commit's metadata names.
   * - `waiting`: not finished; it is on its way, or comes when what stands before it is done.
   * - `not yet read`: the trigger has not come to it.
   */
  state: 'finished' | 'waiting' | 'not yet read'
  committed: number | null
}

export interface ReplyLine extends Place {
  type: string
  id: string
  source: string
}

export interface WhyLetter extends LetterLine {
  origin: string | null
  replayOf: string | null
  to: string | null
  reason: string | null
}
