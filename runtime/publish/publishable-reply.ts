/** From what a handler returned to the record that is appended, or the error that ends the attempt. */
import type { AppendRecord } from '../contract/broker.ts'
import type { Attributes, Event } from '../contract/event.ts'
import type { WorkReply } from '../contract/work.ts'
import { isMillraceError, MillraceError } from '../errors.ts'
import { completeReply, type ReplyOrigin } from './complete-reply.ts'

export interface PublishOptions {
  origin: ReplyOrigin
  topic: string
  maxEventBytes: number
  /** Of the codec: what comes from a handler, and not with its cause, is checked like a stranger's. */
  check: (attributes: WorkReply['attributes'], cause: Attributes) => void
  /** `encodeRecord` of the codec. */
  encode(event: Event, topic: string): AppendRecord
}

export function publishableReply(
  reply: WorkReply,
  index: number,
  options: PublishOptions,
): AppendRecord {
  // What is filled in comes from the cause, which was checked when it was read.
  checkGiven(reply, index, options)
  const event = completeReply(reply, index, options.origin)
  const record = options.encode(event, options.topic)
  const bytes = sizeOf(record)
  if (bytes > options.maxEventBytes) {
    throw new MillraceError(
      'FN_HANDLER_REPLY_TOO_LARGE',
      `reply ${index} of type ${event.attributes.type} has ${bytes} bytes; an event may have ${options.maxEventBytes}. ` +
        'Put large data elsewhere and reply with a reference to it',
    )
  }
  return record
}

function checkGiven({ attributes }: WorkReply, index: number, options: PublishOptions): void {
  try {
    options.check(attributes, options.origin.cause.attributes)
  } catch (error) {
    if (!isMillraceError(error)) throw error
    throw new MillraceError(
      'FN_HANDLER_INVALID_REPLY',
      `reply ${index} is no event: ${error.message}`,
      { cause: error },
    )
  }
}

function sizeOf(record: AppendRecord): number {
  let bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const [name, value] of record.headers) bytes += name.length + (value?.length ?? 0)
  return bytes
}
