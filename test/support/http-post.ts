/** One POST, and what came back. */
export interface Posted {
  status: number
  text: string
}

export async function post(
  url: string,
  body: string | Buffer,
  contentType = 'application/cloudevents+json',
): Promise<Posted> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': contentType },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  })
  return { status: response.status, text: await response.text() }
}

/** A batch of events; rejects unless all were accepted. */
export async function postBatch(url: string, events: readonly object[]): Promise<void> {
  const { status, text } = await post(url, JSON.stringify(events), BATCH)
  if (status !== 202) throw new Error(`the batch was refused with ${status}: ${text}`)
}

const BATCH = 'application/cloudevents-batch+json'

/**
 * Posts one batch of events after another, until nobody answers any more; `accepted` hears of each that
 * was. One that a busy runtime refuses does not count, and the load goes on.
 */
export async function postUntilGone<T extends object>(
  url: string,
  next: () => T[],
  accepted: (events: T[]) => void,
): Promise<void> {
  for (;;) {
    const events = next()
    let answer: Posted
    try {
      answer = await post(url, JSON.stringify(events), BATCH)
    } catch {
      return // the runtime is gone, and what was not answered does not count
    }
    if (answer.status === 202) accepted(events)
    else if (answer.status !== 429 && answer.status !== 503) {
      throw new Error(`the batch was refused with ${answer.status}: ${answer.text}`)
    }
  }
}
