import type { Readable } from 'node:stream'
import type { Refusal } from './answers.ts'
import type { ByteBudget } from './byte-budget.ts'

export type Body = { bytes: Buffer } | { refused: Refusal }

export interface BodyLimits {
  maxBytes: number
  budget: ByteBudget
}

/**
 * Reads a body as it is, whatever its content type. Bytes count against the budget from the moment they
 * arrive; those of a body that came whole stay counted, and whoever answers the request releases them.
 *
 * `done` is called exactly once. A refused body is read to its end
 * and thrown away, so that the sender gets to see the answer (closing on unread bytes resets the
 * connection); the server's request timeout bounds that.
 */
export function readBody(
  stream: Readable,
  { maxBytes, budget }: BodyLimits,
  done: (body: Body) => void,
): void {
  const chunks: Buffer[] = []
  let length = 0

  const stop = (): void => {
    stream.off('data', onData).off('end', onEnd).off('close', onBroken).off('error', onBroken)
  }
  const refuse = (refused: Refusal): void => {
    stop()
    budget.release(length)
    stream.resume()
    done({ refused })
  }
  const onData = (chunk: Buffer): void => {
    if (length + chunk.length > maxBytes) {
      refuse(tooLarge(maxBytes))
    } else if (!budget.fits(chunk.length)) {
      refuse(busy())
    } else {
      budget.take(chunk.length)
      length += chunk.length
      chunks.push(chunk)
    }
  }
  const onEnd = (): void => {
    stop()
    done({ bytes: joined(chunks, length) })
  }
  const onBroken = (): void => {
    refuse({ code: 'FN_HTTP_MALFORMED', message: 'the connection broke within the body' })
  }
  stream.on('data', onData).on('end', onEnd).on('close', onBroken).on('error', onBroken)
}

export function tooLarge(maxBytes: number): Refusal {
  return {
    code: 'FN_EVENT_TOO_LARGE',
    message: `the body is larger than ${maxBytes} bytes; send the event in parts, or put the data elsewhere and its address into dataref`,
  }
}

export function busy(): Refusal {
  return {
    code: 'FN_INGRESS_BUSY',
    message:
      'too many bytes wait to be written to the log; send again after the time in Retry-After',
  }
}

/** A small view would keep the whole read buffer of its socket alive while it waits. */
function joined(chunks: Buffer[], length: number): Buffer {
  const only = chunks.length === 1 ? chunks[0] : undefined
  if (only !== undefined && only.buffer.byteLength === only.length) return only
  return Buffer.concat(chunks, length)
}
