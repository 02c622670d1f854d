/** `fn graph`: the whole flow of brokers, triggers, functions and flows. */
import { Option, type Command } from 'commander'
import { graphOf, type Graph } from '../graph/graph.ts'
import { graphAsMermaid } from '../graph/mermaid.ts'
import { graphAsText } from '../graph/text.ts'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { EXIT, print } from '../output.ts'
import { resourcePaths, withFileFlag, type FileOptions } from '../resources.ts'
import { declaredTopology } from '../topology.ts'

const FORMATS = {
  text: graphAsText,
  mermaid: graphAsMermaid,
  json: (graph: Graph) => [JSON.stringify(graph, undefined, 2)],
} as const

export function graphCommand(): Command {
  const { command, runs } = defineCommand<FileOptions & { format: keyof typeof FORMATS }>(
    'graph',
    'the whole flow of brokers, triggers, functions and flows',
  )
  withConfigFlags(command, ['build', 'services']).addOption(
    new Option('--format <format>', 'how it is printed')
      .choices(Object.keys(FORMATS))
      .default('text'),
  )
  withFileFlag(command, 'Knative resources, beside the build if there is one')
  return runs(async (options) => {
    const config = configOf({ ...options })
    const topology = await declaredTopology(config, resourcePaths(options, config))
    for (const line of FORMATS[options.format](graphOf(topology))) print(line)
    return EXIT.done
  })
}
