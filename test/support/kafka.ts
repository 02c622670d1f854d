/**
 * A real Apache Kafka for tests and benches: loopback only, on free ports, with its data in a temporary
 * folder, ended with the process that started it.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, before, type TestContext } from 'node:test'
import { freePorts } from './free-ports.ts'
import { preparedKafka, serverProperties, writeNode } from './kafka-files.ts'
import { javaAvailability, kafkaAvailability, type KafkaInstall } from './kafka-install.ts'
import { jvmFlags, startNode, type JvmOptions } from './kafka-node.ts'
import type { WatchedProgram } from './watched-program.ts'

export { kafkaAvailability } from './kafka-install.ts'

export interface KafkaOptions extends JvmOptions {
  /**
   * Default 1. Of three, node 0 is also the controller: kill 1 or 2 to lose a broker and keep the
   * cluster.
   */
  brokers?: 1 | 3
  /**
   * For tests that kill it or read all of it. Default false: the one that `npm test` started for all
   * files, where there is one.
   */
  own?: boolean
  /** Broker properties over the defaults of the tests. */
  properties?: Record<string, string>
  /**
   * A second listener on each node whose advertised port is the one given here, one a node: a proxy
   * between a client and the broker (`proxied`).
   */
  advertise?: number[]
}

/** Kafka's own command-line tools. */
const TOOLS = {
  topics: 'org.apache.kafka.tools.TopicCommand',
  'console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'console-producer': 'org.apache.kafka.tools.ConsoleProducer',
  'consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'reassign-partitions': 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
  'delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
  'get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
} as const

export interface KafkaCluster {
  /** `127.0.0.1:PORT`, several with commas. */
  readonly bootstrap: string
  /** `host:port` of the second listener of each node, for the far side of a proxy. */
  readonly proxied: readonly string[]
  /** Given from outside by `KAFKA_BROKERS`: it cannot be killed. */
  readonly external: boolean
  /** Where its data lie; empty for an external one. */
  readonly directory: string
  pid(node?: number): number
  /** SIGKILL. */
  kill(node?: number): Promise<void>
  /** Starts a killed node again, on the same port and data. */
  restart(node?: number): Promise<void>
  /** Runs one of Kafka's tools to its end; resolves with stdout, rejects unless it ends with 0. */
  tool(name: keyof typeof TOOLS, args: string[], input?: string): Promise<string>
  /** As `tool`, for output that is too large to be held whole. */
  toolOutput(name: keyof typeof TOOLS, args: string[], take: (text: string) => void): Promise<void>
  stop(): Promise<void>
}

export async function startKafka(options: KafkaOptions = {}): Promise<KafkaCluster> {
  const external = process.env['KAFKA_BROKERS']
  const ownOne = options.own === true && process.env['MILLRACE_TEST_KAFKA'] === 'shared'
  const asksMore = ownOne || options.brokers === 3 || options.properties || options.advertise
  if (external && !asksMore) return externalKafka(external)
  const install = await preparedKafka()
  const root = await mkdtemp(path.join(os.tmpdir(), 'millrace-kafka-'))
  try {
    return await startOwn(install, root, options)
  } catch (error) {
    await rm(root, { recursive: true, force: true })
    throw error
  }
}

export interface KafkaForTests {
  /** Give it to each test: skips where no Kafka can be had (an error with `CI=true`). */
  readonly needed: { skip: string | false }
  readonly cluster: KafkaCluster
  /** A topic (or group) name that no other test has. */
  name(t: TestContext | string): string
}

/** One Kafka for all tests of the calling file. Call it at the top level or in a `describe`. */
export function kafkaForTests(options: KafkaOptions = {}): KafkaForTests {
  const skip = kafkaMissing()
  let cluster: KafkaCluster | undefined
  if (skip === false) {
    before(async () => {
      cluster = await startKafka(options)
    })
    after(() => cluster?.stop())
  }
  return {
    needed: { skip },
    get cluster() {
      if (!cluster) throw new Error('Kafka is there from the first test on, not before')
      return cluster
    },
    name: uniqueName,
  }
}

/**
 * For files that start a Kafka of their own, to kill it or to put a proxy before it: why they cannot, or
 * false. An error with `CI=true`.
 */
export function ownKafkaMissing(): string | false {
  const given = process.env['KAFKA_BROKERS'] !== undefined
  const isOurs = process.env['MILLRACE_TEST_KAFKA'] === 'shared'
  if (given && !isOurs) return 'KAFKA_BROKERS is not ours to put behind a proxy'
  return kafkaMissing()
}

/** Why no Kafka can be started here, or false. An error with `CI=true`. */
export function kafkaMissing(): string | false {
  const availability = kafkaAvailability()
  if (availability.ok) return false
  if (process.env['CI'] === 'true') throw new Error(availability.reason)
  return availability.reason
}

export function uniqueName(t: TestContext | string): string {
  const text = typeof t === 'string' ? t : t.name
  const slug = text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  return `${slug.slice(0, 60)}-${randomBytes(4).toString('hex')}`
}

async function startOwn(
  install: KafkaInstall,
  root: string,
  options: KafkaOptions,
): Promise<KafkaCluster> {
  const count = options.brokers ?? 1
  const ports = await freePorts(count * 2 + 1)
  const proxied = ports.slice(count, count * 2).map((port) => `127.0.0.1:${port}`)
  const directories = Array.from({ length: count }, (_, node) => path.join(root, `node-${node}`))
  for (const [node, directory] of directories.entries()) {
    await writeNode(directory, serverProperties({ node, count, ports, directory, ...options }))
  }
  const flags = jvmFlags(install, options)
  const start = (node: number): Promise<WatchedProgram> =>
    startNode(directories[node] as string, root, flags)
  const nodes = await Promise.all(directories.map((_, node) => start(node)))
  const bootstrap = ports
    .slice(0, count)
    .map((port) => `127.0.0.1:${port}`)
    .join(',')

  return {
    bootstrap,
    proxied,
    external: false,
    directory: root,
    pid: (node = 0) => (nodes[node] as WatchedProgram).pid,
    kill: (node = 0) => (nodes[node] as WatchedProgram).end('SIGKILL'),
    async restart(node = 0) {
      nodes[node] = await start(node)
    },
    ...toolsOf(bootstrap, async () => install),
    async stop() {
      await Promise.all(nodes.map((running) => running.end('SIGKILL')))
      await rm(root, { recursive: true, force: true })
    },
  }
}

function externalKafka(bootstrap: string): KafkaCluster {
  const refuse = (): never => {
    throw new Error('KAFKA_BROKERS names a Kafka that the tests did not start: unset it for this')
  }
  return {
    bootstrap,
    proxied: [],
    external: true,
    directory: '',
    pid: refuse,
    kill: refuse,
    restart: refuse,
    ...toolsOf(bootstrap, async () => {
      const java = javaAvailability()
      if (!java.ok) throw new Error(java.reason)
      return preparedKafka()
    }),
    stop: async () => {},
  }
}

function toolsOf(
  bootstrap: string,
  install: () => Promise<KafkaInstall>,
): Pick<KafkaCluster, 'tool' | 'toolOutput'> {
  return {
    async tool(name, args, input = '') {
      let output = ''
      const take = (text: string): void => void (output += text)
      await runTool(await install(), [TOOLS[name], '--bootstrap-server', bootstrap, ...args], {
        input,
        take,
      })
      return output
    },
    async toolOutput(name, args, take) {
      const command = [TOOLS[name], '--bootstrap-server', bootstrap, ...args]
      await runTool(await install(), command, { input: '', take })
    },
  }
}

async function runTool(
  install: KafkaInstall,
  command: string[],
  { input, take }: { input: string; take: (text: string) => void },
): Promise<void> {
  const child = spawn('java', [...jvmFlags(install, { heapMiB: 256 }), ...command])
  let [start, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (start.length < 4_000) start += text
    take(text)
  })
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.stdin.on('error', () => {
    // A tool that ends early does not read its input; its exit code tells.
  })
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) {
    const output = JSON.stringify({ stdout: start, stderr })
    throw new Error(`${command.join(' ')} ended with ${code}:\n${output}`)
  }
}
