/** What a step is in its flow. */
import type { TriggerManifest } from '../../runtime/contract/manifest.ts'
import type { FlowManifest, FlowStep } from '../../runtime/contract/topology.ts'

export interface FlowPart {
  /** `namespace/name`. */
  flow: string
  flowKind: FlowManifest['kind']
  part: 'step' | 'filter' | 'branch'
  /** It reads the channel that takes the flow's events. */
  isEntry: boolean
}

export function partOfStep({ channel }: FlowStep, { name, kind, entry }: FlowManifest): FlowPart {
  const isEntry = channel === entry
  const inParallel = isEntry ? 'filter' : 'branch'
  return { flow: name, flowKind: kind, part: kind === 'Parallel' ? inParallel : 'step', isEntry }
}

/** With topics between the steps, a step is a trigger like others but for the name that Knative gives it. */
const NAME = /^(.+)-kn-(sequence|parallel-filter|parallel)-(\d+)$/

const PARTS: Record<string, Pick<FlowPart, 'flowKind' | 'part'>> = {
  sequence: { flowKind: 'Sequence', part: 'step' },
  'parallel-filter': { flowKind: 'Parallel', part: 'filter' },
  parallel: { flowKind: 'Parallel', part: 'branch' },
}

/** Undefined for a name that none of Knative's flows gives. */
export function partOfTrigger({
  namespace,
  name,
}: Pick<TriggerManifest, 'namespace' | 'name'>): FlowPart | undefined {
  const [, flow, word, index] = NAME.exec(name) ?? []
  const part = PARTS[word ?? '']
  if (part === undefined) return undefined
  const isEntry = part.part === 'filter' || (part.part === 'step' && index === '0')
  return { flow: `${namespace}/${flow}`, ...part, isEntry }
}
