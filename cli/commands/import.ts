/** `fn import`: what Millrace runs for Knative's YAML, as metadata to paste and the rest to read. */
import type { Command } from 'commander'
import type { FunctionTriggers, Leftover } from '../../k8s/read/as-metadata.ts'
import { findingLine, type Finding, type Resource } from '../../k8s/read/resource.ts'
import type { Config } from '../../runtime/config/schema.ts'
import {
  triggerName,
  type FunctionManifest,
  type TriggerManifest,
} from '../../runtime/contract/manifest.ts'
import type { Topology } from '../../runtime/contract/topology.ts'
import { MillraceError } from '../../runtime/errors.ts'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { EXIT, print, say } from '../output.ts'
import { hasFunctions, resourcePaths, withFileFlag, type FileOptions } from '../resources.ts'
import { sourceText } from '../source-text.ts'

type KnownFunction = Pick<FunctionManifest, 'name' | 'namespace'>

interface Imported {
  functions: Array<FunctionTriggers & { exists: boolean }>
  leftovers: Leftover[]
  topology: Topology
  findings: Finding[]
}

export function importCommand(): Command {
  const { command, runs } = defineCommand<FileOptions & { json: boolean }>(
    'import',
    'what Millrace runs for Knative resources, as metadata of functions and the rest',
  )
  withConfigFlags(command, ['functions', 'services']).option('--json', 'one JSON object', false)
  withFileFlag(command, 'Knative resources')
  return runs(async (options) => {
    const config = configOf({ ...options })
    const paths = resourcePaths(options, config)
    if (paths.length === 0) {
      throw new MillraceError('FN_CLI_USAGE', 'nothing to import; name a file or folder with -f')
    }
    const imported = await importResources(config, paths)
    for (const finding of imported.findings) say(`${finding.severity}: ${findingLine(finding)}`)
    if (imported.findings.some(({ severity }) => severity === 'error')) return EXIT.failed
    if (options.json) print(JSON.stringify(jsonOf(imported)))
    else for (const part of await readable(imported)) print(part)
    return EXIT.done
  })
}

async function importResources(config: Config, paths: readonly string[]): Promise<Imported> {
  const { readResources } = await import('../../k8s/read/load.ts')
  const { compileResources } = await import('../../k8s/read/compile.ts')
  const { servicesOf } = await import('../../runtime/config/services.ts')
  const { asMetadata } = await import('../../k8s/read/as-metadata.ts')
  const read = await readResources(paths)
  const existing = await functionsOf(config)
  const compile = (functions: readonly KnownFunction[]) =>
    compileResources(read.resources, { functions, services: servicesOf(config) })
  const real = compile(existing)
  // As it would be if every Service were a function: that is what somebody who moves wants to see.
  const moved = compile(await functionsToBe(existing, read.resources))
  const { functions, leftovers } = asMetadata(moved.topology.triggers)
  const names = new Set(existing.map(({ name }) => name))
  return {
    functions: functions.map((one) => ({ ...one, exists: names.has(one.function) })),
    leftovers: leftovers.filter(({ trigger }) => isOn(trigger, names)),
    topology: real.topology,
    findings: [...read.findings, ...real.findings],
  }
}

async function functionsOf(config: Config): Promise<KnownFunction[]> {
  if (!(await hasFunctions(config))) return []
  const { compileProject } = await import('../../builder/compile.ts')
  const dirs = { projectDir: process.cwd(), functionsDir: config.functions }
  const compilation = await compileProject(dirs)
  for (const { error } of compilation.failures) say(error.message)
  return compilation.functions
}

async function functionsToBe(
  existing: readonly KnownFunction[],
  resources: readonly Resource[],
): Promise<KnownFunction[]> {
  const { serviceNames } = await import('../../k8s/read/service-names.ts')
  const names = new Set([...existing.map(({ name }) => name), ...serviceNames(resources)])
  return [...names].map((name) => ({ name, namespace: '' }))
}

function isOn({ subscriber }: TriggerManifest, names: ReadonlySet<string>): boolean {
  return subscriber.kind === 'function' && names.has(subscriber.name)
}

/** What no function's metadata says. */
function restOf({ functions, topology }: Imported): Topology {
  const said = new Set(
    functions.filter(({ exists }) => exists).flatMap(({ triggers }) => triggers.map(triggerName)),
  )
  return {
    ...topology,
    triggers: topology.triggers.filter((trigger) => !said.has(triggerName(trigger))),
  }
}

function jsonOf(imported: Imported): object {
  const { functions, leftovers } = imported
  return {
    functions: functions.map(({ function: name, exists, metadata }) => ({
      name,
      exists,
      metadata,
    })),
    kept: leftovers.map(({ trigger, why }) => ({
      trigger: `${trigger.namespace}/${trigger.name}`,
      why,
    })),
    topology: restOf(imported),
  }
}

async function readable(imported: Imported): Promise<string[]> {
  const { yamlText } = await import('../../k8s/read/yaml-text.ts')
  const { functions, leftovers } = imported
  const { brokers, triggers, flows } = restOf(imported)
  const rest = Object.fromEntries(
    Object.entries({ brokers, triggers, flows }).filter(([, list]) => list.length > 0),
  )
  return [
    ...functions.map(metadataText),
    ...leftovers.map(({ trigger, why }) => `// ${trigger.name} stays in YAML: ${why}\n`),
    ...(Object.keys(rest).length === 0 ? [] : [`# beside the functions\n${yamlText(rest)}`]),
  ]
}

function metadataText({ function: name, metadata, exists }: Imported['functions'][number]): string {
  const head = exists
    ? `// functions/${name}.ts`
    : `// functions/${name}.ts, once it is there; until then its events go to the Service, see below`
  return `${head}\nexport const metadata = ${sourceText(metadata)} satisfies FunctionMetadata\n`
}
