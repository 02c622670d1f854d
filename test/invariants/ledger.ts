/** The findings for people: a table of the chain, and the line that says it all. */
import type { Findings, StepFigures } from './checker.ts'

const EXAMPLES = 5
const COLUMNS = ['step', 'records', 'events', 'repeated', 'out of order', 'missing'] as const

export function ledger(findings: Findings): string {
  const rows = [COLUMNS.map(String), ...findings.steps.map(cells)]
  const widths = COLUMNS.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  )
  const causes = Object.entries(findings.duplicates).map(([name, count]) => `${name} ${count}`)
  if (causes.length > 0) lines.push(`duplicates by cause: ${causes.join(', ')}`)
  lines.push(`accepted ${findings.accepted}, answer lost for ${findings.unsure}`)
  lines.push(
    ...examples('lost', findings.lost),
    ...examples('out of order', findings.outOfOrder),
    ...examples('unexplained', findings.unexplained),
    ...examples('wrong', findings.wrong),
    lastLine(findings),
  )
  return `${lines.join('\n')}\n`
}

export function lastLine(findings: Findings): string {
  return (
    `lost: ${findings.lost.length}, out of order: ${findings.outOfOrder.length}, ` +
    `duplicates: ${findings.duplicateCount}, dead letters: ${findings.deadLetters}`
  )
}

function cells({ step, records, events, outOfOrder, missing }: StepFigures): string[] {
  return [step, records, events, records - events, outOfOrder, missing].map(String)
}

function examples(what: string, all: readonly string[]): string[] {
  const shown = all.slice(0, EXAMPLES).map((one) => `${what}: ${one}`)
  if (all.length > EXAMPLES) shown.push(`${what}: … and ${all.length - EXAMPLES} more`)
  return shown
}
