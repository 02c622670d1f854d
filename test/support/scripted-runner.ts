/** A function runner that does what the test says, to drive the delivery through exact interleavings. */
import type { FunctionManifest } from '../../runtime/contract/manifest.ts'
import type { Fault } from '../../runtime/contract/outcome.ts'
import type {
  FunctionRunner,
  WorkItem,
  WorkReply,
  WorkResult,
} from '../../runtime/contract/work.ts'

export class ScriptedRunner implements FunctionRunner {
  readonly manifest = {} as FunctionManifest
  /** Submitted and not yet answered, in order. */
  readonly submitted: WorkItem[] = []
  /** Sizes of the batches, in order. */
  readonly batches: number[] = []

  submit(items: readonly WorkItem[]): void {
    this.batches.push(items.length)
    this.submitted.push(...items)
  }

  inFlight(): { items: number; bytes: number } {
    return { items: this.submitted.length, bytes: 0 }
  }

  trouble(): undefined {
    return undefined
  }

  async close(): Promise<void> {}

  /** The item of the event with this id, which must have been submitted. */
  take(eventId: string): WorkItem {
    const at = this.submitted.findIndex((item) => item.event.attributes.id === eventId)
    if (at < 0) throw new Error(`${eventId} was not submitted`)
    return this.submitted.splice(at, 1)[0] as WorkItem
  }

  has(eventId: string): boolean {
    return this.submitted.some((item) => item.event.attributes.id === eventId)
  }
}

export function done(item: WorkItem, replies: WorkReply[] = []): WorkResult {
  return { id: item.id, status: 'done', replies, logs: [], durationMs: 1 }
}

export function failed(item: WorkItem, fault: Partial<Fault> = {}): WorkResult {
  return {
    id: item.id,
    status: 'failed',
    fault: { code: 'FN_HANDLER_THREW', class: 'Error', message: 'no', ...fault },
    logs: [],
    durationMs: 1,
  }
}

export function again(item: WorkItem, suspect = false): WorkResult {
  return { id: item.id, status: 'again', suspect }
}

export function replyOf(type: string): WorkReply {
  return { attributes: { type }, data: undefined }
}
