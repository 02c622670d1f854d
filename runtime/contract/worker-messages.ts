/**
 * Messages between the supervisor and a worker process: the JSON header of a frame
 * (`runtime/isolate/frames.ts`); the payload is raw bytes, named in each message. Functions go by a
 * number that the supervisor gave them, events by the slot that it gave them.
 */
import type { Fault } from './outcome.ts'

export type ToWorker =
  /** First of all. Payload: the kernel's script. */
  | { type: 'boot' }
  /** Payload: the function's bundle. `probe`: answer with its metadata and forget it. */
  | { type: 'load'; function: number; name: string; limits: IsolateLimits; probe: boolean }
  /** Payload: what the kernel reads (`kernel-protocol.ts`); `headerUnits`: where its data texts begin. */
  | { type: 'events'; function: number; slots: number[]; headerUnits: number }
  /** Its isolates end with whatever is in them. */
  | { type: 'unload'; function: number }
  | { type: 'ping'; seq: number }

export interface IsolateLimits {
  memoryMiB: number
  cpuMs: number
  /** Time for the module's own code when it is loaded, in milliseconds. */
  initMs: number
  /** Largest number of events that one call of its `batch` gets. */
  batchMax: number
}

export type FromWorker =
  | { type: 'ready' }
  /** Payload of a probe: the metadata as JSON. */
  | { type: 'loaded'; function: number; exports: string[] }
  | { type: 'init-failed'; function: number; fault: Fault }
  /** Payload: result rows (`rowsBytes` of them), then the data texts. */
  | { type: 'results'; function: number; rowsBytes: number }
  /** An isolate is gone with the events in it; another one takes its place. */
  | ({ type: 'isolate-lost'; function: number } & Casualties)
  /** As `isolate-lost`, and a thread of the worker cannot be stopped: the worker has to be killed. */
  | ({ type: 'tainted'; function: number } & Casualties)
  /** New events go to a fresh isolate; the old one finishes what it has. */
  | { type: 'isolate-replaced'; function: number; reason: ReplaceReason }
  /** Something to be logged that belongs to no event. Payload: the text. */
  | { type: 'line'; function: number; level: 'debug' | 'info' | 'warn' | 'error' }
  | { type: 'pong'; seq: number }

/** Why an isolate ended. `evicted`: too many isolates of one function were still draining. */
export type LossCause = 'cpu' | 'memory' | 'evicted'

/** `zombie`: a handler went on after its time was up. `heap`: the memory is nearly used up. */
export type ReplaceReason = 'zombie' | 'heap'

/** The events that an isolate took with it, by slot, as its marks tell. */
export interface Casualties {
  cause: LossCause
  /** The machine was too busy to give the isolate its time: the verdict is not certain. */
  starved: boolean
  /** The one whose handler was in its first synchronous stretch, or -1; of a batch, its first. */
  running: number
  /** The other events of that batch. */
  together: number[]
  /** Handlers that were suspended. */
  suspended: number[]
  /** Finished in the pump whose answer was lost. */
  done: number[]
  /** Not started. */
  waiting: number[]
}
