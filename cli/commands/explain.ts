/** `fn explain`: which triggers match an event, and which clause failed. */
import type { Command } from 'commander'
import { decodeJson } from '../../runtime/codec/json-format.ts'
import type { Config } from '../../runtime/config/schema.ts'
import { triggerName, type TriggerManifest } from '../../runtime/contract/manifest.ts'
import { takerName } from '../../runtime/contract/subscriber.ts'
import { explain } from '../../runtime/filter/explain.ts'
import { configOf, defineCommand, readInput, withConfigFlags } from '../command.ts'
import { failedClauseText } from '../failed-clause.ts'
import { EXIT, print } from '../output.ts'
import { resourcePaths, withFileFlag, type FileOptions } from '../resources.ts'
import { declaredTopology } from '../topology.ts'

interface ExplainOptions {
  event: Buffer
  triggers: readonly TriggerManifest[]
  json: boolean
}

export function explainCommand(): Command {
  const { command, runs } = defineCommand<FileOptions & { event: string; json: boolean }>(
    'explain',
    'which triggers match an event, and which clause failed',
  )
  withConfigFlags(command, ['build', 'services'])
    .requiredOption('--event <file>', 'a CloudEvent in the JSON format, or - for standard input')
    .option('--json', 'one JSON object a line', false)
  withFileFlag(command, 'Knative resources, beside the build if there is one')
  return runs(async (options) => {
    const config = configOf({ ...options })
    return runExplain({
      event: await readInput(options.event),
      triggers: await triggersOf(config, resourcePaths(options, config)),
      json: options.json,
    })
  })
}

function runExplain({ event: body, triggers, json }: ExplainOptions): number {
  const event = decodeJson(body)
  for (const trigger of triggers) {
    const name = triggerName(trigger)
    const { matches, failed } = explain(event, trigger.filters)
    if (json) {
      print(JSON.stringify({ trigger: name, matches, failed }))
      continue
    }
    print(`${matches ? 'matches' : 'no     '}  ${name} → ${takerName(trigger)}`)
    for (const clause of failed) print(`           ${failedClauseText(clause)}`)
  }
  return EXIT.done
}

/** Steps of flows are left out: no event of a broker reaches them but by the trigger before them. */
async function triggersOf(config: Config, paths: readonly string[]): Promise<TriggerManifest[]> {
  const { triggers } = await declaredTopology(config, paths)
  return triggers.filter(({ step }) => step === undefined)
}
