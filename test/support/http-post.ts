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
  const { status, text } = await post(
    url,
    JSON.stringify(events),
    'application/cloudevents-batch+json',
  )
  if (status !== 202) throw new Error(`the batch was refused with ${status}: ${text}`)
}
