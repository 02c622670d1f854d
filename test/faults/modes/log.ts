/** Harm to the log: its processes, its disk, its permission to write. */
import { Kafka, logLevel } from 'kafkajs'
import { eventually } from '../../support/eventually.ts'
import type { KafkaCluster } from '../../support/kafka.ts'
import type { SmallDisk } from '../small-disk.ts'
import type { Mode, ModeSettings, Scene } from '../scene.ts'

/** Appends that fail use up attempts; nothing but poison may end as a dead letter for it. */
const PATIENT: ModeSettings['chain'] = { waitMs: 110, retry: { retries: 6, delayMs: 500 } }

/** The one Kafka process killed and started again. */
export const brokerKill: Mode = {
  name: 'broker-kill',
  drivers: ['kafka'],
  times: 5,
  settings: (usual) => ({ ...usual, chain: PATIENT, kafka: {} }),
  run: (scene) => killNodes(scene, 'broker kill', () => 0),
}

/** Three of them, each record on three disks; one that is not the controller is killed at a time. */
export const cluster: Mode = {
  name: 'cluster',
  drivers: ['kafka'],
  times: 6,
  settings: (usual) => ({
    ...usual,
    chain: PATIENT,
    flags: ['--replication-factor', '3'],
    kafka: { brokers: 3, properties: { 'min.insync.replicas': '2' } },
  }),
  run: (scene) => killNodes(scene, 'node kill', () => scene.parts.random.between(1, 2)),
}

async function killNodes(scene: Scene, name: string, choose: () => number): Promise<void> {
  const kafka = kafkaOf(scene)
  for (let i = 0; i < scene.parts.times; i++) {
    await scene.catchUp()
    await scene.pause(1_000, 3_000)
    await scene.underLoad()
    const node = choose()
    await scene.harm(name, async () => {
      await kafka.kill(node)
      await scene.pause(500, 4_000)
      await kafka.restart(node)
      await scene.flows(1_000)
    })
  }
}

/** Nothing fits on the embedded log's disk for a while. */
export const diskFull: Mode = {
  name: 'disk-full',
  drivers: ['embedded'],
  times: 5,
  settings: (usual) => ({ ...usual, chain: PATIENT, diskMiB: 1_024 }),
  async run(scene) {
    const disk = diskOf(scene)
    for (let i = 0; i < scene.parts.times; i++) {
      await scene.catchUp()
      await scene.pause(1_000, 3_000)
      await scene.underLoad()
      await scene.harm('disk full', async () => {
        await disk.fill()
        await eventually(() => isUnready(scene), 'the runtime says that its disk is full')
        await scene.pause(500, 2_500)
        await disk.makeRoom()
        await scene.flows(1_000)
      })
    }
  },
}

async function isUnready({ parts }: Scene): Promise<boolean> {
  const [member] = parts.deployment.running
  const answer = await fetch(`${member?.runtime.metrics}/readyz`)
  return answer.status === 503 && /full/.test(await answer.text())
}

/** Dead letters cannot be written for a while: too large by the topic's rule, or too few replicas. */
export const dlqRefused: Mode = {
  name: 'dlq-refused',
  drivers: ['kafka'],
  times: 4,
  settings: (usual) => ({ ...usual, load: { ...usual.load, poisonShare: 0.01 } }),
  async run(scene) {
    const topics = [...new Set(scene.parts.names.deadLetters.map(({ topic }) => topic))]
    const configure = topicConfigurer(kafkaOf(scene), topics)
    await configure.make()
    for (let i = 0; i < scene.parts.times; i++) {
      const refusal = scene.parts.random.of([
        ['max.message.bytes', '10'],
        ['min.insync.replicas', '2'],
      ])
      await scene.catchUp()
      await scene.pause(1_000, 3_000)
      await scene.underLoad()
      await scene.harm('dead letters refused', async () => {
        await configure.set(refusal)
        await scene.pause(3_000, 6_000)
        await configure.set(['max.message.bytes', String(2 << 20)])
      })
    }
  },
}

/** Sets one property of the topics and with that unsets what was set before. */
function topicConfigurer(
  { bootstrap }: KafkaCluster,
  topics: readonly string[],
): { make(): Promise<void>; set(property: string[]): Promise<void> } {
  const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })
  const use = async (
    action: (admin: ReturnType<Kafka['admin']>) => Promise<unknown>,
  ): Promise<void> => {
    const admin = kafka.admin()
    await admin.connect()
    await action(admin)
    await admin.disconnect()
  }
  return {
    make: () =>
      use((admin) =>
        admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 4 })) }),
      ),
    set: ([name = '', value = '']) =>
      use((admin) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: topics.map((topic) => ({
            type: 2, // ConfigResourceTypes.TOPIC, which is a const enum
            name: topic,
            configEntries: [{ name, value }],
          })),
        }),
      ),
  }
}

function kafkaOf({ parts }: Scene): KafkaCluster {
  if (parts.kafka === undefined) throw new Error('this mode needs Kafka')
  return parts.kafka
}

function diskOf({ parts }: Scene): SmallDisk {
  if (parts.disk === undefined) throw new Error('this mode needs a small disk')
  return parts.disk
}
