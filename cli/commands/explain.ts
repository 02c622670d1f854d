/** `fn explain`: which triggers match an event, and which clause failed. */
import { decodeJson } from '../../runtime/codec/json-format.ts'
import { triggerName, type Manifest } from '../../runtime/contract/manifest.ts'
import { subscriberName } from '../../runtime/contract/subscriber.ts'
import { explain } from '../../runtime/filter/explain.ts'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { readManifest } from '../../builder/manifest-file.ts'
import { configOf, defineCommand, readInput, withConfigFlags } from '../command.ts'
import { EXIT, print } from '../output.ts'

interface ExplainOptions {
  event: Buffer
  manifest: Manifest
  json: boolean
}

export function explainCommand(): Command {
  const { command, runs } = defineCommand<{ event: string; json: boolean }>(
    'explain',
    'which triggers match an event, and which clause failed',
  )
  withConfigFlags(command, ['build'])
    .requiredOption('--event <file>', 'a CloudEvent in the JSON format, or - for standard input')
    .option('--json', 'one JSON object a line', false)
  return runs(async (options) =>
    runExplain({
      event: await readInput(options.event),
      manifest: await readManifest(resolve(configOf({ ...options }).build)),
      json: options.json,
    }),
  )
}

function runExplain({ event: body, manifest, json }: ExplainOptions): number {
  const event = decodeJson(body)
  for (const trigger of manifest.functions.flatMap((one) => one.triggers)) {
    const name = triggerName(trigger)
    const { matches, failed } = explain(event, trigger.filters)
    if (json) {
      print(JSON.stringify({ trigger: name, matches, failed }))
      continue
    }
    print(`${matches ? 'matches' : 'no     '}  ${name} → ${subscriberName(trigger.subscriber)}`)
    for (const { clause, expected, actual } of failed) {
      print(
        `           ${clause}: expected ${JSON.stringify(expected)}, is ${JSON.stringify(actual)}`,
      )
    }
  }
  return EXIT.done
}
