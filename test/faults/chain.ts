/** The three functions that the load goes through, and the names of what they read and write. */
import { brokerTopic, deadLetterTopic, triggerGroup } from '../../runtime/broker/names.ts'
import { FUNCTIONS, STEPS, type FunctionName } from '../invariants/load-record.ts'

export interface ChainOptions {
  /** Kafka outlives a run, so each has its own. */
  namespace: string
  /** How long each function waits with an event. */
  waitMs: number
  retry: { retries: number; delayMs: number }
  exactlyOnce: boolean
  /** The load itself may send an event twice: the first function sorts that out. */
  dedupe: boolean
}

export interface ChainNames {
  /** `namespace/name`. */
  broker: string
  topic: string
  deadLetters: Record<FunctionName, string>
  groups: Record<FunctionName, string>
}

export function chainNames(namespace: string): ChainNames {
  const group = (name: FunctionName): string => triggerGroup({ namespace, name })
  return {
    broker: `${namespace}/load`,
    topic: brokerTopic({ namespace, name: 'load' }),
    deadLetters: forEachFunction((name) => deadLetterTopic(group(name))),
    groups: forEachFunction(group),
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
  const { retries, delayMs } = options.retry
  const { broker } = chainNames(options.namespace)
  const dedupe = options.dedupe && index === 0
  return `
import type { CloudEvent, FunctionMetadata, Reply } from 'millrace'

interface Load {
  key: string
  n: number
  poison?: string
  downUntil?: number
}

export const metadata = {
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
} satisfies FunctionMetadata

export async function handler(event: CloudEvent<Load>): Promise<Reply> {
  await new Promise((resolve) => setTimeout(resolve, ${options.waitMs}))
  if (event.data.poison === '${name}') throw new TypeError('poison')
  ${name === 'b' ? `if (Date.now() < (event.data.downUntil ?? 0)) throw new Error('down')` : ''}
  return { type: '${STEPS[index + 1]}', data: event.data }
}
`
}
