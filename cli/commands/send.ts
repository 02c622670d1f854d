/** `fn send`: an event to the ingress of a runtime. */
import { request } from 'node:http'
import { MillraceError } from '../../runtime/errors.ts'
import type { Command } from 'commander'
import { readRuntimeFile } from '../../runtime/runtime-file.ts'
import { configOf, defineCommand, readInput, withConfigFlags } from '../command.ts'
import { EXIT, print } from '../output.ts'

interface SendOptions {
  /** One CloudEvent, or an array of them, in the JSON format. */
  body: Buffer
  broker: string
  /** Base address of the ingress. */
  ingress: string
}

export function sendCommand(): Command {
  const { command, runs } = defineCommand<{ file: string; broker: string; url?: string }>(
    'send',
    'an event, or an array of events, to the ingress',
  )
  withConfigFlags(command, ['host', 'port'])
    .requiredOption('-f, --file <file>', 'a CloudEvent in the JSON format, or - for standard input')
    .requiredOption('--broker <namespace/name>', 'the broker it is for')
    .option(
      '--url <address>',
      'base address of the ingress (default: of the runtime in this folder)',
    )
  return runs(async (options) => {
    const config = configOf({ ...options })
    const running = await readRuntimeFile(process.cwd())
    const ingress = options.url ?? (running?.ingress || `http://${config.host}:${config.port}`)
    return runSend({ body: await readInput(options.file), broker: options.broker, ingress })
  })
}

async function runSend({ body, broker, ingress }: SendOptions): Promise<number> {
  const parsed = await postEvent(`${ingress}/${broker}`, body)
  const ids = [parsed].flat().map((event) => (event as { id?: unknown } | null)?.id)
  const named = Array.isArray(parsed) ? { ids } : { id: ids[0] }
  print(JSON.stringify({ accepted: ids.length, ...named }))
  return EXIT.done
}

/** Posts one event, or an array of them, and gives it parsed. Throws unless it was accepted. */
export async function postEvent(url: string, body: Buffer): Promise<unknown> {
  const parsed = parse(body)
  const answer = await post(url, body, Array.isArray(parsed))
  if (answer.status !== 202) throw new MillraceError('FN_EVENT_INVALID', refusal(answer, url))
  return parsed
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

function refusal(answer: { status: number; text: string }, url: string): string {
  try {
    const { error } = JSON.parse(answer.text) as { error: { message: string } }
    return `${url} refused the event with ${answer.status}: ${error.message}`
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return `${url} refused the event with ${answer.status}: ${answer.text}`
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
