/**
 * Reads the configuration once, at the edge of the process: flags win over the environment, which wins
 * over `millrace.config.json`, which wins over the defaults. Everything that is wrong is told at once.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nearest } from '../contract/nearest.ts'
import { isRecord, shown } from '../contract/schema-problems.ts'
import { MillraceError } from '../errors.ts'
import { checkText, checkValue } from './check-value.ts'
import {
  CONFIG_KEYS,
  flagOf,
  isConfigKey,
  keySchema,
  variableOf,
  type Config,
  type ConfigKey,
} from './schema.ts'
import { splitService } from './services.ts'

export const CONFIG_FILE = 'millrace.config.json'

export interface ConfigSources {
  /** By key (`metricsPort`), as the command line gave them; `undefined` is not given. */
  flags?: Readonly<Record<string, string | number | readonly string[] | undefined>>
  /** Default: the environment of this process. An empty variable counts as not set. */
  env?: Readonly<Record<string, string | undefined>>
  /** The project: the folder of the configuration file. Default: the working directory. */
  cwd?: string
  /** Whether log lines go to a terminal. Default: stderr is one. */
  terminal?: boolean
}

/** Begins the names of variables that only the project's own tests set. */
const TEST_PREFIX = 'MILLRACE_TEST_'
/** Variables that are no configuration of the runtime: where downloads are kept (`bin/node24.js`). */
const OTHER_VARIABLES = ['MILLRACE_CACHE']

interface Source {
  /** The key as this source writes it. */
  name: (key: ConfigKey) => string
  values: ReadonlyMap<ConfigKey, unknown>
  problems: readonly string[]
}

/** Throws `FN_CONFIG_INVALID` with a line for each problem; the result is frozen. */
export function loadConfig(sources: ConfigSources = {}): Config {
  const { cwd = process.cwd(), terminal = process.stderr.isTTY === true } = sources
  const readers = [
    readFile(join(cwd, CONFIG_FILE)),
    readVariables(sources.env ?? process.env),
    readFlags(sources.flags ?? {}),
  ]
  const config: Partial<Record<ConfigKey, unknown>> = {
    ...defaults(),
    logFormat: terminal ? 'pretty' : 'json',
  }
  const origins = new Map<ConfigKey, string>()
  for (const { values, name } of readers) {
    for (const [key, value] of values) {
      config[key] = value
      origins.set(key, name(key))
    }
  }
  const wrong = readers.flatMap((source) => source.problems)
  const problems = wrong.length > 0 ? wrong : contradictions(config as unknown as Config, origins)
  if (problems.length > 0) throw invalid(problems)
  return freeze(config) as unknown as Config
}

/** Values that are right alone and not together. */
function contradictions(config: Config, origins: ReadonlyMap<ConfigKey, string>): string[] {
  const named = (key: ConfigKey): string =>
    `${key} ${String(config[key])} (${origins.get(key) ?? 'the default'})`
  const problems: string[] = []
  if (config.port === config.metricsPort && config.port !== 0) {
    problems.push(`${named('port')} and ${named('metricsPort')} must differ`)
  }
  for (const key of ['maxIngressBufferBytes', 'maxBufferBytes'] as const) {
    if (config[key] < config.maxEventBytes) {
      problems.push(`${named(key)} must not be below ${named('maxEventBytes')}`)
    }
  }
  for (const entry of config.services) {
    const [name, url] = splitService(entry)
    if (!URL.canParse(url)) {
      problems.push(`services (${origins.get('services')}): ${name} has no URL, but ${shown(url)}`)
    }
  }
  return problems
}

function defaults(): Partial<Record<ConfigKey, unknown>> {
  const withDefault = CONFIG_KEYS.filter((key) => keySchema(key).default !== undefined)
  return Object.fromEntries(withDefault.map((key) => [key, keySchema(key).default]))
}

function readFile(path: string): Source {
  const name = (key: ConfigKey): string => `${key} in ${path}`
  const values = new Map<ConfigKey, unknown>()
  const problems: string[] = []
  const content = parseFile(path)
  if ('problem' in content) return { name, values, problems: [content.problem] }
  for (const [key, value] of Object.entries(content.json)) {
    if (!isConfigKey(key)) {
      problems.push(unknown(`"${key}" in ${path}`, nearest(key, CONFIG_KEYS)))
      continue
    }
    const checked = checkValue(keySchema(key), value)
    if (checked.ok) values.set(key, checked.value)
    else problems.push(`${name(key)} ${checked.expected}`)
  }
  return { name, values, problems }
}

function parseFile(path: string): { json: Record<string, unknown> } | { problem: string } {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { json: {} }
    return { problem: `${path} cannot be read: ${(error as Error).message}` }
  }
  try {
    const json: unknown = JSON.parse(text)
    if (isRecord(json)) return { json }
    return { problem: `${path} must hold a JSON object, for example {"port": 8080}` }
  } catch (error) {
    return { problem: `${path} is not JSON: ${(error as Error).message}` }
  }
}

function readVariables(env: Readonly<Record<string, string | undefined>>): Source {
  const name = (key: ConfigKey): string => variableOf(key)
  const values = new Map<ConfigKey, unknown>()
  const problems: string[] = []
  const keys = new Map(CONFIG_KEYS.map((key) => [variableOf(key), key]))
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('MILLRACE_') || text === undefined || text === '') continue
    if (variable.startsWith(TEST_PREFIX) || OTHER_VARIABLES.includes(variable)) continue
    const key = keys.get(variable)
    if (key === undefined) {
      problems.push(
        `${unknown(variable, nearest(variable, [...keys.keys()]))}${linkHint(variable)}`,
      )
      continue
    }
    const checked = checkText(keySchema(key), text)
    if (checked.ok) values.set(key, checked.value)
    else problems.push(`${variable} ${checked.expected}${linkHint(text)}`)
  }
  return { name, values, problems }
}

/** Kubernetes sets `MILLRACE_PORT=tcp://…` and more in the pods beside a Service named millrace. */
function linkHint(text: string): string {
  if (!/^tcp:|_SERVICE_|_TCP/.test(text)) return ''
  return '; Kubernetes sets it for a Service: set enableServiceLinks: false in the pod'
}

function readFlags(flags: NonNullable<ConfigSources['flags']>): Source {
  const name = (key: ConfigKey): string => flagOf(key)
  const values = new Map<ConfigKey, unknown>()
  const problems: string[] = []
  for (const [key, given] of Object.entries(flags)) {
    if (given === undefined) continue
    if (!isConfigKey(key)) {
      const guess = nearest(key, CONFIG_KEYS)
      problems.push(
        unknown(`the flag ${key}`, guess === undefined ? undefined : flagOf(guess as ConfigKey)),
      )
      continue
    }
    const schema = keySchema(key)
    const checked = typeof given === 'string' ? checkText(schema, given) : checkValue(schema, given)
    if (checked.ok) values.set(key, checked.value)
    else problems.push(`${name(key)} ${checked.expected}`)
  }
  return { name, values, problems }
}

function unknown(what: string, guess: string | undefined): string {
  const next = guess === undefined ? 'docs/reference/config.md lists all' : `did you mean ${guess}?`
  return `${what} is not known; ${next}`
}

function invalid(problems: readonly string[]): MillraceError {
  return new MillraceError(
    'FN_CONFIG_INVALID',
    problems.length === 1
      ? `wrong configuration: ${problems[0]}`
      : `wrong configuration:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
    { detail: { problems } },
  )
}

function freeze<T extends object>(config: T): T {
  for (const value of Object.values(config)) {
    if (typeof value === 'object' && value !== null) Object.freeze(value)
  }
  return Object.freeze(config)
}
