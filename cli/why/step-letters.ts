/**
 * Events that left a flow as dead letters of a step. To the trigger they have ended with `acked`, because
 * its own subscriber has answered; what a person asks for is what became of the event.
 */
import { refOf } from '../../runtime/dlq/ref.ts'
import {
  NOT_KEPT,
  type LetterOfStep,
  type Occurrence,
  type TriggerReport,
  type WhyLetter,
} from './report.ts'

/** The same, with the steps at which it was given up. */
export function withStepLetters(one: Occurrence, letters: readonly WhyLetter[]): Occurrence {
  if (one.triggers === NOT_KEPT) return one
  const mine = letters.filter((letter) => cameOf(one, letter))
  return { ...one, triggers: one.triggers.map((report) => withLetters(report, mine)) }
}

/** A replay that fails again names the event's first place and the letter that was replayed. */
function cameOf(one: Occurrence, { origin, replayOf }: WhyLetter): boolean {
  if (replayOf !== null) return replayOf === one.replayOf
  return origin === refOf(one, one.offset)
}

function withLetters(report: TriggerReport, letters: readonly WhyLetter[]): TriggerReport {
  const deadLetteredAt = letters.flatMap(({ trigger, step, ref }): LetterOfStep[] =>
    trigger === report.trigger && step !== undefined ? [{ step: nameOf(step), ref }] : [],
  )
  if (deadLetteredAt.length === 0) return report
  // What nobody remembers has ended all the same once the trigger is past it.
  const hasEnded = report.outcome === NOT_KEPT && report.position.state === 'finished'
  const isOver = report.outcome === 'acked' || hasEnded
  return { ...report, deadLetteredAt, outcome: isOver ? 'deadlettered' : report.outcome }
}

/** Without the namespace, which a name cannot have a slash of. */
function nameOf(step: string): string {
  return step.slice(step.indexOf('/') + 1)
}
