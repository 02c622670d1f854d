/**
 * What passes between the pipeline and the subscribers. `runtime/isolate/pool.ts` frames it to worker
 * processes, `runtime/subscriber/http` makes requests of it; the pipeline sees only these shapes.
 */
import type { Attributes, AttributeValue, Event, EventData } from './event.ts'
import type { FunctionManifest } from './manifest.ts'
import type { Fault } from './outcome.ts'

/** One event for one function, one attempt. */
export interface WorkItem {
  /** Unique within the pool; results come back under it. */
  id: number
  event: Event
  /**
   * Items of one lane run one after another, in the order given; lanes run side by side. A lane must
   * have no items in flight when new ones are given.
   */
  lane: number
  /** At most this many handlers of `trigger` run (are suspended) at once. */
  concurrency: number
  /** `namespace/name`; what `context.trigger` says. */
  trigger: string
  /** 1 for the first delivery. */
  attempt: number
  /** Wall time from the start of the handler or the request, in milliseconds: `delivery.timeout`. */
  timeoutMs: number
  /** Run with nothing else in this function's isolate, because it was under suspicion. */
  alone?: boolean
  /** Where the log holds the event; HTTP subscribers are told, as Knative's Kafka broker tells them. */
  at?: { partition: number; offset: number }
}

/** A reply as the handler returned it, checked like a stranger's event, not yet completed. */
export interface WorkReply {
  attributes: Partial<Attributes> & Record<string, AttributeValue | undefined>
  data: EventData | undefined
}

export interface LogLine {
  level: 'debug' | 'info' | 'warn' | 'error'
  message: string
}

export type WorkResult =
  /** The handler returned. */
  | { id: number; status: 'done'; replies: WorkReply[]; logs: LogLine[]; durationMs: number }
  /** The handler threw `Drop`. */
  | { id: number; status: 'dropped'; reason: string; logs: LogLine[]; durationMs: number }
  /** The attempt failed; it counts. */
  | { id: number; status: 'failed'; fault: Fault; logs: LogLine[]; durationMs: number }
  /**
   * Not this event's fault: it had not started, stood behind a failed one of its lane, or was running
   * when another one took the isolate down. No attempt is counted. `suspect` asks for the next run to
   * be `alone`.
   */
  | { id: number; status: 'again'; suspect: boolean }

/** Brings events to one subscriber: a function, or an address. */
export interface SubscriberRunner {
  /** Hands work over. Bounded by the caller with `inFlight()`; never rejects. */
  submit(items: readonly WorkItem[]): void
  inFlight(): { items: number; bytes: number }
  /** Undefined while the subscriber can be given work; why while it cannot. */
  trouble(): string | undefined
}

/** A runner that whoever opened it also closes. */
export interface OpenRunner extends SubscriberRunner {
  /**
   * Gives back what has not started and what comes from now on, and lets go of what the runner holds. A
   * function's isolate ends with what runs in it, which comes back; a request ends first. Idempotent.
   */
  close(): Promise<void>
}

/** Runs the events of one function in its isolate. */
export interface FunctionRunner extends OpenRunner {
  readonly manifest: FunctionManifest
}

export interface IsolatePool {
  /**
   * Loads a function. Resolves when its isolate is up; rejects with `FN_HANDLER_INIT`. A worker process
   * ends with the last of its functions that is closed.
   */
  open(
    manifest: FunctionManifest,
    bundle: FunctionBundle,
    onResults: ResultListener,
  ): Promise<FunctionRunner>
  /** The process walls that are up, such as `process`, `isolate`; for start-up and `/readyz`. */
  walls(): string[]
  /** Resident memory of the functions' worker processes, without those that run suspects. */
  workerRssBytes(): number
  /** Lets nothing new start, ends the workers by SIGKILL after `graceMs`. Idempotent. */
  close(graceMs?: number): Promise<void>
}

export interface FunctionBundle {
  /** A script (IIFE) that assigns the module's exports; see `builder/bundle.ts`. */
  code: string
  /** Source map v3 as JSON, for stacks. */
  map: string
}

/** Results come in any order and number; each item gets exactly one. */
export type ResultListener = (results: WorkResult[]) => void
