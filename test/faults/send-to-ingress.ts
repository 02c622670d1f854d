/** Batches into the ingress of whatever runtime runs in the project at the moment. */
import { readRuntimeFile } from '../../runtime/runtime-file.ts'
import { cloudEventOf, type MadeEvent } from './load-events.ts'
import type { Sender } from './sender.ts'

const ANSWER_DEADLINE_MS = 30_000

export function ingressSender(projectDir: string, broker: string): Sender {
  return {
    async send(events) {
      const runtime = await readRuntimeFile(projectDir)
      if (runtime === undefined) return { fate: 'not sent' }
      try {
        return fateOf(await post(`${runtime.ingress}/${broker}`, events))
      } catch (error) {
        return wasRefused(error) ? { fate: 'not sent' } : { fate: 'unsure', reason: String(error) }
      }
    },
    close: async () => {},
  }
}

async function post(url: string, events: readonly MadeEvent[]): Promise<Response> {
  const body = events.map((event) => {
    const { attributes, data } = cloudEventOf(event)
    return { ...attributes, data }
  })
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
  })
  // The answer counts only once it is there whole.
  await response.text()
  return response
}

function fateOf({ status }: Response): Awaited<ReturnType<Sender['send']>> {
  if (status === 202) return { fate: 'accepted' }
  // 429 is said before the log is asked; 503 also when the log did not tell.
  if (status === 429) return { fate: 'not sent' }
  if (status === 503) return { fate: 'unsure', reason: 'answered 503' }
  throw new Error(`the ingress answered ${status} to a good batch`)
}

/** Nobody listened, so nobody can have it. */
function wasRefused(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: string } }
  return cause?.code === 'ECONNREFUSED'
}
