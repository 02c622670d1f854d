import { cesqlRequirements } from './cesql/requirements.ts'
import type { Clause } from './clause.ts'
import { bothOf, eitherOf, type Requirements } from './combine.ts'

/** An event has one text per attribute, so a trigger under several of its texts is still found once. */
export function requirementsOf(clauses: readonly Clause[]): Requirements {
  return clauses.map(requirementsOfClause).reduce(bothOf, new Map())
}

export function requirementsOfClause(clause: Clause): Requirements {
  switch (clause.on) {
    case 'attribute':
      return clause.operator === 'exact'
        ? new Map([[clause.subject, new Set([String(clause.expected)])]])
        : new Map()
    case 'cesql':
      return cesqlRequirements(clause.program.root)
    case 'any':
      return eitherOf(clause.branches.map(requirementsOf))
    case 'data':
    case 'not':
      return new Map()
  }
}
