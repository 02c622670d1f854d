/** The three functions that the load goes through, and the names of what they read and write. */
import { brokerTopic, deadLetterTopic, triggerGroup } from '../../runtime/broker/names.ts'
import { EVERY_STEP, type Station } from '../invariants/checker.ts'
import { FUNCTIONS, STEPS, type FunctionName } from '../invariants/load-record.ts'
import { flowPlaces, type Flow } from './flow.ts'

export interface ChainOptions {
  /** Kafka outlives a run, so each has its own. */
  namespace: string
  /** How long each function waits with an event. */
  waitMs: number
  retry: { retries: number; delayMs: number }
  exactlyOnce: boolean
  /** The load itself may send an event twice: the first function sorts that out. */
  dedupe: boolean
  /** The functions are steps of a Sequence; none: each has a trigger of its own. */
  flow: Flow | undefined
}

export interface ChainNames {
  /** `namespace/name`. */
  broker: string
  topic: string
  /** Where the events of the load are, and as what those of a type are judged there. */
  events: ReadonlyArray<{ topic: string; nameOf: (type: string) => string }>
  /** Where a function's dead letters are, and the step that they name. */
  deadLetters: ReadonlyArray<{ topic: string; of: FunctionName; step: string | undefined }>
  /** Which group has to get to the end of which topic. */
  readers: ReadonlyArray<{ group: string; topic: string }>
  way: readonly Station[]
  /** The only trigger that counts as having an event: others hold the same ones. None: all count. */
  entry: string | undefined
}

export function chainNames(namespace: string, flow?: Flow): ChainNames {
  const topic = brokerTopic({ namespace, name: 'load' })
  const names = { broker: `${namespace}/load`, topic }
  if (flow !== undefined) return { ...names, ...flowPlaces(namespace, topic, flow) }
  const readers = FUNCTIONS.map((of) => ({
    of,
    group: triggerGroup({ namespace, name: of }),
    topic,
  }))
  return {
    ...names,
    events: [{ topic, nameOf: String }],
    deadLetters: readers.map(({ of, group }) => ({
      topic: deadLetterTopic(group),
      of,
      step: undefined,
    })),
    readers,
    way: EVERY_STEP,
    entry: undefined,
  }
}

export function forEachFunction<T>(make: (name: FunctionName) => T): Record<FunctionName, T> {
  return { a: make('a'), b: make('b'), c: make('c') }
}

/** File name → source. */
export function chainSources(options: ChainOptions): Record<string, string> {
  return Object.fromEntries(
    FUNCTIONS.map((name, index) => [`${name}.ts`, functionSource(name, index, options)]),
  )
}

function functionSource(name: FunctionName, index: number, options: ChainOptions): string {
  return `
import type { CloudEvent, FunctionMetadata, Reply } from 'millrace'

interface Load {
  key: string
  n: number
  poison?: string
  downUntil?: number
}

export const metadata = ${metadataSource(index, options)} satisfies FunctionMetadata

export async function handler(event: CloudEvent<Load>): Promise<Reply> {
  await new Promise((resolve) => setTimeout(resolve, ${options.waitMs}))
  if (event.data.poison === '${name}') throw new TypeError('poison')
  ${name === 'b' ? `if (Date.now() < (event.data.downUntil ?? 0)) throw new Error('down')` : ''}
  return { type: '${STEPS[index + 1]}', data: event.data }
}
`
}

function metadataSource(index: number, options: ChainOptions): string {
  if (options.flow !== undefined) return '{ triggers: [] }'
  const { retries, delayMs } = options.retry
  const { broker } = chainNames(options.namespace)
  const dedupe = options.dedupe && index === 0
  return `{
  triggers: [
    {
      broker: '${broker}',
      filters: [{ exact: { type: '${STEPS[index]}' } }],
      startFrom: 'earliest',
      ${dedupe ? `dedupe: { window: 'PT10M', max: 1_000_000 },` : ''}
    },
  ],
  concurrency: 1024,
  delivery: {
    retry: ${retries},
    backoffPolicy: 'linear',
    backoffDelay: 'PT${delayMs / 1_000}S',
    exactlyOnce: ${options.exactlyOnce},
  },
}`
}
