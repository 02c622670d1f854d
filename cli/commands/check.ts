/** `fn check`: everything that a build finds, types and advice. */
import type { Command } from 'commander'
import type { CheckReport, Finding } from '../../builder/check.ts'
import { findingLine, type Finding as ResourceFinding } from '../../k8s/read/resource.ts'
import type { Config } from '../../runtime/config/schema.ts'
import type { FunctionManifest } from '../../runtime/contract/manifest.ts'
import type { Topology } from '../../runtime/contract/topology.ts'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { EXIT, print, say } from '../output.ts'
import {
  hasFunctions,
  resourcePaths,
  sayNotes,
  withFileFlag,
  type FileOptions,
} from '../resources.ts'

export function checkCommand(): Command {
  const { command, runs } = defineCommand<FileOptions & { json: boolean; acceptSchemas: boolean }>(
    'check',
    'metadata, types, resources, filters that can never match, replies in circles, schemas that changed',
  )
  withConfigFlags(command, ['functions', 'schemas', 'build', 'services'])
    .option('--accept-schemas', 'write down the schemas as those to compare with', false)
    .option('--json', 'one JSON object a line', false)
  withFileFlag(command, 'Knative resources that are served beside the functions')
  return runs(async (options) => {
    const config = configOf({ ...options })
    const paths = resourcePaths(options, config)
    const withFunctions = paths.length === 0 || (await hasFunctions(config))
    const { findings, notes } = await check(config, paths, {
      withFunctions,
      acceptSchemas: options.acceptSchemas,
    })
    for (const finding of findings) {
      print(options.json ? JSON.stringify(finding) : `${finding.kind}: ${finding.message}`)
    }
    for (const note of notes) say(note)
    const checked = [...(withFunctions ? [`${config.functions}/`] : []), ...paths]
    if (findings.length === 0) say(`${checked.join(', ')}: nothing wrong`)
    return findings.length === 0 ? EXIT.done : EXIT.findings
  })
}

async function check(
  config: Config,
  paths: readonly string[],
  { withFunctions, acceptSchemas }: { withFunctions: boolean; acceptSchemas: boolean },
): Promise<CheckReport> {
  const { checkProject, declaredFindings } = await import('../../builder/check.ts')
  const dirs = {
    projectDir: process.cwd(),
    functionsDir: config.functions,
    schemasDir: config.schemas,
    buildDir: config.build,
    acceptSchemas,
  }
  if (paths.length === 0) return checkProject(dirs)

  const { readResources } = await import('../../k8s/read/load.ts')
  const { compileResources } = await import('../../k8s/read/compile.ts')
  const { servicesOf } = await import('../../runtime/config/services.ts')
  const read = await readResources(paths)
  const found: ResourceFinding[] = [...read.findings]
  const declare = (functions: readonly FunctionManifest[]): Topology => {
    const options = { functions, services: servicesOf(config) }
    const { topology, findings } = compileResources(read.resources, options)
    found.push(...findings)
    return topology
  }
  const { findings, notes } = withFunctions
    ? await checkProject(dirs, declare)
    : { findings: declaredFindings([], declare([])), notes: [] }
  sayNotes(found)
  return { findings: [...errorsOf(found), ...findings], notes }
}

function errorsOf(found: readonly ResourceFinding[]): Finding[] {
  return found
    .filter(({ severity }) => severity === 'error')
    .map((finding): Finding => ({ kind: 'resources', message: findingLine(finding) }))
}
