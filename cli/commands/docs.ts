/** `fn docs`: an AsyncAPI document of the project's brokers, event types, triggers and functions. */
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { Option, type Command } from 'commander'
import type { Compilation } from '../../builder/compile.ts'
import type { Documented } from '../../builder/schemas/asyncapi.ts'
import type { Config } from '../../runtime/config/schema.ts'
import { triggerName } from '../../runtime/contract/manifest.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { EXIT, print, say } from '../output.ts'
import { compiledProject } from '../project-schemas.ts'

interface DocsOptions {
  out?: string
  format?: 'yaml' | 'json'
}

export function docsCommand(): Command {
  const { command, runs } = defineCommand<DocsOptions>(
    'docs',
    'an AsyncAPI document of brokers, event types, triggers and functions',
  )
  withConfigFlags(command, ['functions', 'schemas', 'brokers', 'host', 'port'])
    .option('--out <file>', 'where to write it (default: standard output)')
    .addOption(
      new Option('--format <format>', 'default: json for a --out that ends so, else yaml').choices([
        'yaml',
        'json',
      ]),
    )
  return runs(async ({ out, format, ...options }) => {
    const config = configOf(options)
    const { asyncApiDocument } = await import('../../builder/schemas/asyncapi.ts')
    const document = asyncApiDocument(await documented(config))
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

async function documented(config: Config): Promise<Documented> {
  const compilation = await compiledProject(config)
  return {
    info: await projectInfo(config),
    ingress: `${config.host}:${config.port}`,
    kafka: config.brokers,
    triggers: compilation.functions.flatMap(({ name, description, triggers }) =>
      triggers.map((trigger) => ({
        name: triggerName(trigger),
        broker: trigger.broker,
        topic: trigger.topic,
        group: trigger.group,
        filters: trigger.filters,
        subscriber: `function ${name}`,
        description,
      })),
    ),
    replies: await repliesIn(compilation),
    catalog: compilation.catalog,
  }
}

/** A reply goes to the broker that brought its cause. */
async function repliesIn({ functions, bundles }: Compilation): Promise<Documented['replies']> {
  const { repliesOf } = await import('../../builder/check.ts')
  const { replies, notes } = repliesOf({ functions, bundles })
  for (const note of notes) say(note)
  return replies.flatMap(({ manifest, replies: literals }) => {
    const types = [...new Set(literals.map(({ type }) => type))].toSorted()
    const brokers = [...new Set(manifest.triggers.map(({ broker }) => broker))]
    return brokers.map((broker) => ({ function: manifest.name, broker, types }))
  })
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
