/** Tells all processes of the deployment whether a trigger is paused: a record in its control topic. */
import { controlTopic, membershipGroup } from '../runtime/broker/names.ts'
import type { Config } from '../runtime/config/schema.ts'
import { appendAll } from '../runtime/contract/broker.ts'
import type { TriggerControl } from '../runtime/contract/dead-letter-state.ts'
import type { LogWriter } from '../runtime/contract/log-access.ts'

export async function writeControl(
  writer: LogWriter,
  config: Config,
  trigger: string,
  control: Omit<TriggerControl, 'at'>,
): Promise<TriggerControl> {
  const topic = controlTopic(membershipGroup({ namespace: config.namespace, name: config.app }))
  await writer.ensureTopic(topic, { partitions: 1, config: { 'cleanup.policy': 'compact' } })
  const whole: TriggerControl = { ...control, at: new Date().toISOString() }
  await appendAll(writer, [
    { topic, key: trigger, value: JSON.stringify(whole), headers: [], partitionBy: 0 },
  ])
  return whole
}
