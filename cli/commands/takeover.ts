/** `fn takeover`: a trigger's progress from Knative's Kafka broker to Millrace, or back. */
import type { Command } from 'commander'
import {
  channelTopic,
  membershipGroup,
  parseObjectName,
  subscriptionGroup,
  triggerGroup,
  type ObjectName,
} from '../../runtime/broker/names.ts'
import type { Config } from '../../runtime/config/schema.ts'
import type { Broker } from '../../runtime/contract/broker.ts'
import { triggerName, type TriggerManifest } from '../../runtime/contract/manifest.ts'
import { MillraceError } from '../../runtime/errors.ts'
import { configOf, defineCommand, readInput, withConfigFlags } from '../command.ts'
import { EXIT, print, say } from '../output.ts'
import { plan, type Handover, type PlannedMove } from '../takeover/plan.ts'
import { resourcePaths, withFileFlag, type FileOptions } from '../resources.ts'
import { HOW_TO_GET, readStatusFile, type KnativeTrigger } from '../takeover/status-file.ts'
import { declaredTriggers } from '../triggers.ts'

interface TakeoverOptions extends FileOptions, Record<string, unknown> {
  fromStatus: string
  back: boolean
  force: boolean
  json: boolean
}

export function takeoverCommand(): Command {
  const { command, runs } = defineCommand<TakeoverOptions>(
    'takeover',
    "go on where Knative's Kafka broker stopped, or give back",
  )
  withConfigFlags(command, ['brokers', 'namespace', 'app', 'build', 'services'])
    .argument('[trigger...]', 'namespace/name, of a Subscription too; default: all of the file')
    .requiredOption('--from-status <file>', `what ${HOW_TO_GET} says; - is standard input`)
    .option('--back', "from Millrace to Knative's groups", false)
    .option('--force', 'also where events will run twice', false)
    .option('--json', 'one JSON object a line', false)
  withFileFlag(command, 'Knative resources that Millrace serves, beside the build if there is one')
  return runs(async (options, names) => {
    const file = options.fromStatus
    const { triggers, skipped } = await readStatusFile((await readInput(file)).toString(), file)
    const wanted = selected(triggers, names, file)
    for (const reason of skipped) say(`left out: ${reason}`)
    const config = configOf(options)
    return useKafka(config, (broker) => takeOver(broker, config, wanted, options))
  })
}

async function takeOver(
  broker: Broker,
  config: Config,
  wanted: readonly KnativeTrigger[],
  options: TakeoverOptions,
): Promise<number> {
  const { back, force, json } = options
  if (back) await requireStopped(broker, config)
  const ours = (await declaredTriggers(config, resourcePaths(options, config))) ?? []
  const moves: PlannedMove[] = []
  for (const trigger of wanted) {
    moves.push(await plan(broker, handoverOf(trigger, ours, back), force))
  }
  for (const move of moves) {
    // Kafka refuses it if somebody has joined the group meanwhile.
    await broker.commit(move.to, move.commits)
    tell(move, json)
  }
  return EXIT.done
}

function handoverOf(
  knative: KnativeTrigger,
  declared: readonly TriggerManifest[],
  back: boolean,
): Handover {
  const { name, topic, channel } = knative
  const kind = channel === undefined ? 'trigger' : 'subscription'
  const group = channel === undefined ? ofTrigger(knative, declared) : ofStep(knative, channel)
  const [from, to] = back ? [group, knative.group] : [knative.group, group]
  return { trigger: name, kind, topic, from, to, back }
}

/** Our group: by what is declared here, in the build and in resources, else by the names that Millrace gives. */
function ofTrigger({ name, topic }: KnativeTrigger, declared: readonly TriggerManifest[]): string {
  const ours = declared.find((one) => triggerName(one) === name)
  if (ours !== undefined && ours.topic !== topic) {
    throw new MillraceError(
      'FN_CLI_REFUSED',
      `trigger ${name}: Knative's broker is on topic ${topic}, and Millrace's is on ${ours.topic}${ours.declaredIn === undefined ? '' : ` (${ours.declaredIn})`}; ` +
        'give the broker the same topic first. Nothing was moved',
    )
  }
  return ours?.group ?? triggerGroup(parseObjectName(name, 'trigger'))
}

/** As for a Subscription, or a step of a flow, whose YAML has no UID. */
function ofStep({ name, topic }: KnativeTrigger, channel: ObjectName): string {
  const ours = channelTopic(channel)
  if (topic !== ours) {
    throw new MillraceError(
      'FN_CLI_REFUSED',
      `subscription ${name}: Knative's channel is on topic ${topic}, and Millrace reads ${ours} for it; let Knative handle what that holds first. Nothing was moved`,
    )
  }
  return subscriptionGroup(channel, parseObjectName(name, 'subscription').name)
}

/** While it runs it commits to groups that have no members, and nothing would keep the two apart. */
async function requireStopped(broker: Broker, { namespace, app }: Config): Promise<void> {
  const group = membershipGroup({ namespace, name: app })
  if (!(await broker.hasMembers(group))) return
  throw new MillraceError(
    'FN_CLI_REFUSED',
    `the deployment ${namespace}/${app} runs (group ${group} has members); stop it first, so that it commits what it has finished. Nothing was moved`,
  )
}

function tell({ trigger, topic, from, to, offsets }: PlannedMove, json: boolean): void {
  for (const { partition, offset } of offsets) {
    if (json) {
      print(JSON.stringify({ trigger, topic, partition, from, to, offset: offset ?? null }))
    } else {
      print(`${trigger}  ${topic}/${partition} at ${offset ?? 'nothing'}  ${from} → ${to}`)
    }
    if (offset === undefined) {
      say(
        `${trigger}: nothing was ever committed for ${topic}/${partition}; whoever goes on decides`,
      )
    }
  }
}

function selected(
  triggers: readonly KnativeTrigger[],
  names: readonly string[],
  file: string,
): KnativeTrigger[] {
  const unknown = names.find((name) => !triggers.some((one) => one.name === name))
  if (unknown !== undefined) {
    const known = triggers.map(({ name }) => name).join(', ')
    throw new MillraceError(
      'FN_CLI_NOT_FOUND',
      `${file} has no Kafka trigger ${unknown}; there are ${known || 'none'}`,
    )
  }
  return triggers.filter(({ name }) => names.length === 0 || names.includes(name))
}

async function useKafka(config: Config, use: (broker: Broker) => Promise<number>): Promise<number> {
  if (config.brokers.length === 0) {
    const message = 'fn takeover works on Kafka; name it with --brokers HOST:PORT'
    throw new MillraceError('FN_CLI_USAGE', message)
  }
  const { createLogger } = await import('../../runtime/telemetry/log.ts')
  const { createKafkaBroker } = await import('../../runtime/broker/kafka/broker.ts')
  const broker = await createKafkaBroker({
    bootstrap: [...config.brokers],
    clientId: 'millrace-fn',
    log: createLogger({ level: 'error', format: 'pretty' }),
  })
  try {
    return await use(broker)
  } finally {
    await broker.close()
  }
}
