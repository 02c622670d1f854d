/** Asks a bundle what it exports, in an isolate of a worker process: never in the builder's own. */
import { isRecord, shown } from '../runtime/contract/schema-problems.ts'
import type { FunctionBundle } from '../runtime/contract/work.ts'
import { isMillraceError, MillraceError } from '../runtime/errors.ts'
import { openProbe, type Probe } from '../runtime/isolate/probe.ts'
import { MODULE_GLOBAL } from './bundle.ts'

export interface MetadataReader {
  /**
   * What the function exports as `metadata`, not yet checked. Throws `FN_METADATA_INVALID` unless there
   * is such an export and a function `handler` or `batch`, `FN_HANDLER_INIT` when the file does not load.
   */
  read(bundle: FunctionBundle, file: string): Promise<unknown>
  close(): Promise<void>
}

/**
 * Appended to the bundle: the probe reads an export `metadata`, so this hides the module behind one
 * that also has the kinds of its exports. On the bundle's last line, which keeps the map true.
 */
const QUESTION = `;${MODULE_GLOBAL} = ((module) => {
  const kinds = {}
  for (const name of Object.keys(module)) kinds[name] = typeof module[name]
  return { metadata: { kinds, metadata: module.metadata } }
})(${MODULE_GLOBAL} ?? {})`

/** Exactly one of them takes the events. */
const ENTRIES = ['handler', 'batch'] as const

export async function openMetadataReader(): Promise<MetadataReader> {
  const probe = await openProbe()
  let last: Promise<unknown> = Promise.resolve()
  return {
    read(bundle, file) {
      // One at a time: a file that has to be stopped takes the worker process with it, and must not
      // take another file's answer along.
      const answer = last.then(() => ask(probe, bundle, file))
      last = answer.catch(() => undefined)
      return answer
    },
    close: () => probe.close(),
  }
}

async function ask(probe: Probe, { code, map }: FunctionBundle, file: string): Promise<unknown> {
  const answer = await load(probe, { code: code + QUESTION, map }, file)
  const { kinds, metadata } = isRecord(answer) ? answer : {}
  const exported = isRecord(kinds) ? kinds : {}
  requireExports(exported, file)
  refuseIdleBatch(exported, metadata, file)
  return metadata
}

async function load(probe: Probe, bundle: FunctionBundle, file: string): Promise<unknown> {
  try {
    return (await probe.read(bundle)).metadata
  } catch (error) {
    if (!isMillraceError(error, 'FN_HANDLER_INIT')) throw error
    const { stack } = error.detail
    const where = typeof stack === 'string' ? placesOf(stack) : ''
    throw new MillraceError('FN_HANDLER_INIT', `${file}: ${error.message}${where}`, {
      cause: error,
      detail: error.detail,
    })
  }
}

/** The `at` lines; the first ones of a stack repeat the message. */
function placesOf(stack: string): string {
  const lines = stack.split('\n').filter((line) => /^\s+at /.test(line))
  return lines.map((line) => `\n${line}`).join('')
}

function requireExports(kinds: Record<string, unknown>, file: string): void {
  const names = Object.keys(kinds).sort()
  const found = names.length === 0 ? 'it exports nothing' : `it exports ${names.join(', ')}`
  const [entry, second] = ENTRIES.filter((name) => kinds[name] !== undefined)
  if (entry === undefined) {
    throw invalid(
      `${file} exports no handler; ${found}. Write: export function handler(event, context) { … }, or batch(events, context)`,
    )
  }
  if (second !== undefined) {
    throw invalid(
      `${file} exports both ${entry} and ${second}; keep one: handler takes one event, batch takes several`,
    )
  }
  if (kinds[entry] !== 'function') {
    throw invalid(`${file}: ${entry} must be a function, but its type is ${shown(kinds[entry])}`)
  }
  if (kinds['metadata'] === undefined) {
    throw invalid(
      `${file} exports no metadata; ${found}. Write for example: export const metadata = { triggers: [{ broker: 'events/kafka-broker' }] }`,
    )
  }
}

/** An option that does nothing is a mistake. */
function refuseIdleBatch(kinds: Record<string, unknown>, metadata: unknown, file: string): void {
  if (kinds['batch'] !== undefined || !isRecord(metadata)) return
  if (metadata['batch'] === undefined) return
  throw invalid(
    `${file}: metadata.batch is for a function that exports batch, and this one exports handler; remove it, or export function batch(events, context) { … } instead`,
  )
}

function invalid(message: string): MillraceError {
  return new MillraceError('FN_METADATA_INVALID', message)
}
