/** Figures of one contender over one run: wall time, CPU of it and its children, peak memory. */
import { readFileSync } from 'node:fs'

export interface RunFigures {
  events: number
  eventsPerSecond: number
  cpuSecondsPerMillion: number
  rssMiB: number
}

/** Linux counts CPU time in these units per second (`getconf CLK_TCK`). */
const TICKS_PER_SECOND = 100
const PAGE_KIB = 4
const SAMPLE_MS = 200

export function stopwatch(): {
  /** The first call counts. */
  start: () => void
  /** Prints the figures as one JSON line; the first call counts. */
  stop: (events: number) => void
  done: Promise<void>
} {
  const { promise, resolve } = Promise.withResolvers<void>()
  let startedAt: number | undefined
  let cpuBefore = 0
  let rssKiB = 0
  let stopped = false
  const sampler = setInterval(() => {
    rssKiB = Math.max(rssKiB, sumOver(processTree(), rssOf))
  }, SAMPLE_MS)
  return {
    start: () => {
      if (startedAt !== undefined) return
      startedAt = performance.now()
      cpuBefore = sumOver(processTree(), cpuSecondsOf)
    },
    stop: (events) => {
      if (stopped) return
      stopped = true
      clearInterval(sampler)
      const seconds = (performance.now() - (startedAt as number)) / 1000
      const cpuSeconds = sumOver(processTree(), cpuSecondsOf) - cpuBefore
      const figures: RunFigures = {
        events,
        eventsPerSecond: Math.round(events / seconds),
        cpuSecondsPerMillion: Number(((cpuSeconds / events) * 1e6).toFixed(1)),
        rssMiB: Math.round(rssKiB / 1024),
      }
      process.stdout.write(`${JSON.stringify(figures)}\n`)
      resolve()
    },
    done: promise,
  }
}

/** This process and its children (workers have none). */
function processTree(): number[] {
  const own = `/proc/${process.pid}/task/${process.pid}/children`
  return [process.pid, ...readFileSync(own, 'utf8').split(' ').filter(Boolean).map(Number)]
}

function sumOver(pids: readonly number[], figure: (pid: number) => number): number {
  let sum = 0
  for (const pid of pids) sum += figure(pid)
  return sum
}

function cpuSecondsOf(pid: number): number {
  const fields = statFields(pid)
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND
}

function rssOf(pid: number): number {
  return Number(statFields(pid)[21] ?? 0) * PAGE_KIB
}

/** Fields of `/proc/PID/stat` after the command name (which may hold blanks); empty for one that ended. */
function statFields(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return [] // it ended between the listing and the reading
  }
}
