/** Every mode by its name, in the order of the full run. */
import type { Mode } from '../scene.ts'
import { poison, subscriberDown } from './load.ts'
import { brokerKill, cluster, diskFull, dlqRefused } from './log.ts'
import { freeze, kill, members, term } from './runtime.ts'

export const MODES: readonly Mode[] = [
  kill,
  term,
  freeze,
  members,
  brokerKill,
  cluster,
  diskFull,
  dlqRefused,
  subscriberDown,
  poison,
]
