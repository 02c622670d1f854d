/** `fn docs`: an AsyncAPI document of the project's brokers, event types, triggers and functions. */
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { Option, type Command } from 'commander'
import type { Documented, DocumentedTrigger } from '../../builder/schemas/asyncapi.ts'
import type { Config } from '../../runtime/config/schema.ts'
import { triggerName } from '../../runtime/contract/manifest.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import { takerName, type Destination, type Subscriber } from '../../runtime/contract/subscriber.ts'
import type { Topology } from '../../runtime/contract/topology.ts'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { EXIT, print, say } from '../output.ts'
import { compiledProject, schemasAlone, type Project } from '../project-schemas.ts'
import { hasFunctions, resourcePaths, withFileFlag, type FileOptions } from '../resources.ts'
import { topologyBeside } from '../topology.ts'

interface DocsOptions extends FileOptions {
  out?: string
  format?: 'yaml' | 'json'
}

export function docsCommand(): Command {
  const { command, runs } = defineCommand<DocsOptions>(
    'docs',
    'an AsyncAPI document of brokers, event types, triggers and functions',
  )
  withConfigFlags(command, ['functions', 'schemas', 'services', 'brokers', 'host', 'port'])
    .option('--out <file>', 'where to write it (default: standard output)')
    .addOption(
      new Option('--format <format>', 'default: json for a --out that ends so, else yaml').choices([
        'yaml',
        'json',
      ]),
    )
  withFileFlag(command, 'Knative resources, beside the functions if there are any')
  return runs(async ({ out, format, ...options }) => {
    const config = configOf({ ...options })
    const { asyncApiDocument } = await import('../../builder/schemas/asyncapi.ts')
    const document = asyncApiDocument(await documented(config, resourcePaths(options, config)))
    const text = await textOf(document, format ?? (out?.endsWith('.json') ? 'json' : 'yaml'))
    if (out === undefined) {
      print(text)
      return EXIT.done
    }
    await writeFile(out, `${text}\n`)
    say(`wrote ${out}`)
    return EXIT.done
  })
}

async function documented(config: Config, paths: readonly string[]): Promise<Documented> {
  const isAlone = paths.length > 0 && !(await hasFunctions(config))
  const project = isAlone ? await schemasAlone(config) : await compiledProject(config)
  const topology = await topologyBeside(config, paths, project.functions)
  return {
    info: await projectInfo(config),
    ingress: `${config.host}:${config.port}`,
    kafka: config.brokers,
    triggers: documentedTriggers(topology, project.functions),
    replies: await repliesIn(project, topology),
    catalog: project.catalog,
  }
}

/** Steps of flows are left out: their events are nobody else's. */
function documentedTriggers(
  { triggers, flows }: Topology,
  functions: Project['functions'],
): DocumentedTrigger[] {
  return triggers
    .filter(({ step }) => step === undefined)
    .map((trigger) => {
      const { subscriber, reply } = trigger
      const own = functions.find(
        ({ name }) => subscriber.kind === 'function' && subscriber.name === name,
      )
      const flow = flows.find(({ entry }) => reply?.kind === 'channel' && reply.channel === entry)
      return {
        name: triggerName(trigger),
        broker: trigger.broker,
        topic: trigger.topic,
        group: trigger.group,
        filters: trigger.filters,
        subscriber:
          subscriber.kind === 'pass' && flow !== undefined
            ? `${flow.kind} ${flow.name}`
            : `${KIND_WORDS[subscriber.kind]} ${takerName(trigger)}`,
        description: own?.description,
      }
    })
}

const KIND_WORDS: Readonly<Record<Subscriber['kind'], string>> = {
  function: 'function',
  http: 'service',
  transform: 'EventTransform',
  pass: 'topic',
}

/** A reply goes to the broker that brought its cause, unless the trigger names another one. */
async function repliesIn(
  { functions, bundles }: Project,
  { triggers, brokers: known }: Topology,
): Promise<Documented['replies']> {
  if (functions.length === 0) return []
  const { repliesOf } = await import('../../builder/check.ts')
  const { replies, notes } = repliesOf({ functions, bundles })
  for (const note of notes) say(note)
  return replies.flatMap(({ manifest, replies: literals }) => {
    const types = [...new Set(literals.map(({ type }) => type))].toSorted()
    const topics = triggers
      .filter(({ subscriber: by }) => by.kind === 'function' && by.name === manifest.name)
      .flatMap(({ topic, reply }) => (reply === undefined ? topic : topicsIn(reply)))
    const brokers = known.filter(({ topic }) => topics.includes(topic))
    return brokers.map((broker) => ({ function: manifest.name, broker: broker.name, types }))
  })
}

function topicsIn(reply: Destination): string[] {
  return reply.kind === 'topic' ? [reply.topic] : []
}

/** What `package.json` says, or else the folder's name. */
async function projectInfo({ app }: Config): Promise<Documented['info']> {
  const own: unknown = JSON.parse(await readFile('package.json', 'utf8').catch(() => '{}'))
  const { name, version, description } = isRecord(own) ? own : {}
  return {
    title: typeof name === 'string' ? name : `${app} in ${path.basename(process.cwd())}`,
    version: typeof version === 'string' ? version : '0.0.0',
    description: typeof description === 'string' ? description : undefined,
  }
}

async function textOf(document: object, format: 'yaml' | 'json'): Promise<string> {
  if (format === 'json') return JSON.stringify(document, null, 2)
  const { stringify } = await import('yaml')
  // Anchors for filters that stand in two places would help nobody.
  return stringify(document, { aliasDuplicateObjects: false, lineWidth: 100 }).trimEnd()
}
