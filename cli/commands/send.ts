/** `fn send`: an event to the ingress of a runtime. */
import { request } from 'node:http'
import { isMillraceError, MillraceError } from '../../runtime/errors.ts'
import { EXIT, print } from '../output.ts'

export interface SendOptions {
  /** One CloudEvent, or an array of them, in the JSON format. */
  body: Buffer
  broker: string
  /** Base address of the ingress. */
  ingress: string
}

export async function runSend({ body, broker, ingress }: SendOptions): Promise<number> {
  const parsed = parse(body)
  const batch = Array.isArray(parsed)
  const ids = (batch ? parsed : [parsed]).map((event) => (event as { id?: unknown })?.id)
  const answer = await post(`${ingress}/${broker}`, body, batch)
  if (answer.status !== 202) {
    throw new MillraceError('FN_EVENT_INVALID', refusal(answer, broker))
  }
  print(JSON.stringify({ accepted: ids.length, ...(batch ? { ids } : { id: ids[0] }) }))
  return EXIT.done
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch (error) {
    throw new MillraceError(
      'FN_CLI_USAGE',
      `the event is not JSON: ${(error as Error).message}; fn send takes a CloudEvent in the JSON format`,
      { cause: error },
    )
  }
}

function refusal(answer: { status: number; text: string }, broker: string): string {
  try {
    const { error } = JSON.parse(answer.text) as { error: { message: string } }
    return `the ingress refused the event for ${broker} with ${answer.status}: ${error.message}`
  } catch (error) {
    if (isMillraceError(error)) throw error
    return `the ingress refused the event for ${broker} with ${answer.status}: ${answer.text}`
  }
}

function post(
  url: string,
  body: Buffer,
  batch: boolean,
): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const unreachable = (cause: unknown): void =>
    reject(
      new MillraceError(
        'FN_CLI_NOT_REACHABLE',
        `no ingress answers on ${url}; start a runtime with npm start, or name another one with --url`,
        { cause },
      ),
    )
  const type = batch ? 'application/cloudevents-batch+json' : 'application/cloudevents+json'
  const call = request(url, { method: 'POST', headers: { 'content-type': type } }, (response) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('error', unreachable)
    response.on('end', () =>
      resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
    )
  })
  call.on('error', unreachable)
  call.end(body)
  return promise
}
