/** `fn why` for people. */
import type { AttemptTrace } from '../../runtime/contract/history.ts'
import { failedClauseText } from '../failed-clause.ts'
import { readable as readableLetter } from '../commands/dlq/letter-line.ts'
import { NOT_KEPT, type Occurrence, type TriggerReport, type WhyReport } from './report.ts'

export function readableReport(report: WhyReport): string[] {
  const { occurrences, replies, deadLetters } = report
  return [
    ...(occurrences === NOT_KEPT
      ? [`event ${report.id}: ${NOT_KEPT} in the log`]
      : occurrences.flatMap(occurrenceLines)),
    ...replies.map(
      (one) => `reply  ${one.type}  ${one.id}  at ${one.topic}/${one.partition}/${one.offset}`,
    ),
    ...deadLetters.flatMap((letter) => {
      const became = [letter.state, letter.to, letter.reason].filter((text) => text !== null)
      return [
        `dead letter of ${letter.trigger}, ${became.join(': ')}`,
        `  ${readableLetter(letter)}`,
      ]
    }),
  ]
}

function occurrenceLines(one: Occurrence): string[] {
  const replay = one.replayOf === undefined ? '' : `, a replay of ${one.replayOf}`
  const key = one.key === null ? 'no key' : `key ${one.key}`
  return [
    `${one.topic}/${one.partition}/${one.offset}  ${one.timestamp}  ${one.type}  from ${one.source}, ${key}${replay}`,
    ...(one.triggers === NOT_KEPT
      ? ['  triggers: unknown without a build; run fn build']
      : one.triggers.flatMap(triggerLines)),
  ]
}

function triggerLines(report: TriggerReport): string[] {
  const { trigger, failed, position, attempts } = report
  if (!report.matches) {
    return [
      `  ${trigger}: its filters do not match`,
      ...failed.map((clause) => `    ${failedClauseText(clause)}`),
    ]
  }
  const ended = report.endedAt === null ? '' : ` at ${report.endedAt}`
  return [
    `  ${trigger} → ${report.function}: ${position.state} (committed: ${position.committed ?? 'nothing'}), outcome: ${outcomeText(report)}${ended}`,
    ...(attempts === NOT_KEPT ? [`    attempts: ${NOT_KEPT}`] : attempts.map(attemptLine)),
  ]
}

function outcomeText({ outcome, deadLetteredAt }: TriggerReport): string {
  if (deadLetteredAt.length === 0) return outcome
  const steps = new Set(deadLetteredAt.map(({ step }) => step))
  const where = `dead-lettered at step ${[...steps].join(', ')}`
  return outcome === 'deadlettered' ? where : `${outcome}, ${where}`
}

function attemptLine(trace: AttemptTrace): string {
  const { step, attempt, at, durationMs, result, reason, error, retryInMs } = trace
  const where = step === undefined ? '' : `${step}  `
  const dropped = reason === undefined ? '' : `, ${reason}`
  const why = error === undefined ? dropped : `, ${error.class}: ${error.message} (${error.code})`
  const next = retryInMs === undefined ? '' : `, next after ${retryInMs} ms`
  return `    ${where}attempt ${attempt}  ${new Date(at).toISOString()}  ${result} in ${durationMs.toFixed(1)} ms${why}${next}`
}
