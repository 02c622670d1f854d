/** Who is to answer for the loss of an isolate or of a worker, and with which fault. */
import type { Fault } from '../contract/outcome.ts'
import type { Casualties, LossCause } from '../contract/worker-messages.ts'
import type { WorkerEnd } from './worker-process.ts'

export interface Verdict {
  /** Its handler did it: a failed attempt. */
  accused: number[]
  /** May have done it: each runs again, alone. */
  suspects: number[]
  /** Cannot have done it: they run again. */
  innocent: number[]
}

/**
 * Accuses the one handler in its first synchronous stretch, if no other was suspended: nothing else
 * can have run then. Of a batch any may have been it. Otherwise a continuation of any that had started.
 */
export function blame(casualties: Casualties): Verdict {
  const { cause, starved, together, suspended, done, waiting } = casualties
  const running = [...(casualties.running < 0 ? [] : [casualties.running]), ...together]
  if (cause === 'evicted') {
    const all = [...running, ...suspended, ...done, ...waiting]
    return { accused: [], suspects: [], innocent: all }
  }
  if (running.length > 0 && suspended.length === 0 && !starved) {
    const innocent = [...done, ...waiting]
    return together.length === 0
      ? { accused: running, suspects: [], innocent }
      : { accused: [], suspects: running, innocent }
  }
  const started = [...running, ...suspended, ...done]
  return { accused: [], suspects: started, innocent: waiting }
}

export type Loss = LossCause | WorkerEnd

export function lossFault(loss: Loss, limits: { memoryMiB: number; cpuMs: number }): Fault {
  switch (loss) {
    case 'cpu':
    case 'stuck':
      return {
        code: 'FN_HANDLER_CPU',
        class: 'CpuLimit',
        message: `the handler ran longer than ${limits.cpuMs} ms at a stretch (limits.cpuMs)`,
      }
    case 'memory':
      return {
        code: 'FN_HANDLER_MEMORY',
        class: 'MemoryLimit',
        message: `the handler used more than ${limits.memoryMiB} MiB of memory (limits.memoryMiB)`,
      }
    case 'evicted':
    case 'closed':
    case 'silent':
    case 'bad-frame':
    case 'exited':
      return {
        code: 'FN_HANDLER_CRASHED',
        class: 'Crashed',
        message: 'the worker process died while the handler ran',
      }
  }
}
