/** What `npm run test:faults -- …` takes. */
import { parseArgs } from 'node:util'
import { FLOWS, type Flow } from './flow.ts'
import { MODES } from './modes/all.ts'
import type { Driver, Mode } from './scene.ts'

export interface FaultsOptions {
  modes: Mode[]
  drivers: Driver[]
  seed: number
  /** In place of each mode's own number. */
  times: number | undefined
  seconds: number | undefined
  exactlyOnce: boolean
  flow: Flow | undefined
  console: boolean
  json: boolean
}

const DRIVERS: readonly Driver[] = ['kafka', 'embedded']

export const USAGE = `npm run test:faults -- [options]
  --mode NAME          only these, with commas: ${MODES.map(({ name }) => name).join(', ')}
  --driver NAME        kafka or embedded; default both
  --seed N             repeats a schedule
  --times N, --kills N how often harm is done, in place of each mode's own number
  --seconds N          how long a mode without single blows goes on
  --exactly-once       with delivery.exactlyOnce, and judged by it
  --flow KIND          as the steps of a flow: ends (one process) or each (a topic between steps)
  --console            reads Kafka with its own console consumer
  --json               one JSON object a mode
`

/** Throws an error with a message for people. */
export function readOptions(args: readonly string[]): FaultsOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      mode: { type: 'string' },
      driver: { type: 'string' },
      seed: { type: 'string' },
      times: { type: 'string' },
      kills: { type: 'string' },
      seconds: { type: 'string' },
      'exactly-once': { type: 'boolean', default: false },
      flow: { type: 'string' },
      console: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const flow = values.flow === undefined ? undefined : chosen(FLOWS, String, values.flow)
  if (flow !== undefined && values['exactly-once']) {
    throw new Error('--flow has steps written as YAML, which knows no --exactly-once')
  }
  const names = values.mode?.split(',') ?? MODES.map(({ name }) => name)
  return {
    modes: names.map((name) => chosen(MODES, (mode) => mode.name, name)),
    drivers: values.driver === undefined ? [...DRIVERS] : [chosen(DRIVERS, String, values.driver)],
    seed: wholeNumber('seed', values.seed) ?? Math.floor(Math.random() * 2 ** 31),
    times: wholeNumber('times', values.times ?? values.kills),
    seconds: wholeNumber('seconds', values.seconds),
    exactlyOnce: values['exactly-once'],
    flow,
    console: values.console,
    json: values.json,
  }
}

function chosen<T>(all: readonly T[], nameOf: (one: T) => string, wanted: string): T {
  const found = all.find((one) => nameOf(one) === wanted)
  if (found === undefined) {
    throw new Error(`${wanted} is none of ${all.map(nameOf).join(', ')}`)
  }
  return found
}

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d+$/.test(text)) throw new Error(`--${name} ${text} is no whole number`)
  return Number(text)
}
