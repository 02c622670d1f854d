/** What a Kafka node reads from disk: its configuration and its formatted data folder. */
import { randomBytes } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { onceAcrossProcesses, run } from './cache.ts'
import { cacheDirectory, installKafka, type KafkaInstall } from './kafka-install.ts'
import { freePorts } from './free-ports.ts'
import { jvmFlags, startNode } from './kafka-node.ts'

/** The install with a formatted folder and a class data archive, made by one first run. */
export async function preparedKafka(): Promise<KafkaInstall> {
  const install = await installKafka()
  await onceAcrossProcesses(templateDirectory(), async (target) => {
    const root = await mkdtemp(path.join(cacheDirectory(), 'first-run-'))
    try {
      await format(install, root, target)
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  })
  await onceAcrossProcesses(install.archive, async (target) => {
    const root = await mkdtemp(path.join(cacheDirectory(), 'first-run-'))
    const staged = path.join(root, 'classes.jsa')
    const flags = jvmFlags(install, {}).map((flag) =>
      flag.startsWith('-XX:SharedArchiveFile') ? `-XX:ArchiveClassesAtExit=${staged}` : flag,
    )
    try {
      const directory = path.join(root, 'node-0')
      const ports = await freePorts(3)
      const shape = { node: 0, count: 1, ports, directory }
      await writeNode(directory, serverProperties(shape))
      const node = await startNode(directory, root, flags)
      await node.end('SIGTERM')
      await rename(staged, target)
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  })
  return install
}

function templateDirectory(): string {
  return path.join(cacheDirectory(), 'formatted')
}

async function format(install: KafkaInstall, root: string, target: string): Promise<void> {
  const directory = path.join(root, 'node-0')
  await mkdir(directory, { recursive: true })
  const file = path.join(root, 'server.properties')
  const shape = { node: 0, count: 1, ports: [1, 2, 3], directory }
  await writeFile(file, serverProperties(shape))
  const id = randomBytes(16).toString('base64url').replaceAll(/^-+/g, 'a')
  const classPath = ['-cp', install.classPath]
  await run('java', [...classPath, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', file])
  await rename(path.join(directory, 'data'), target)
}

export async function writeNode(directory: string, properties: string): Promise<void> {
  const data = path.join(directory, 'data')
  await mkdir(directory, { recursive: true })
  await cp(templateDirectory(), data, { recursive: true })
  const nodeId = /^node\.id=(\d+)$/m.exec(properties)?.[1] ?? '1'
  const meta = path.join(data, 'meta.properties')
  const text = await readFile(meta, 'utf8')
  const id = randomBytes(16).toString('base64url').replaceAll(/^-+/g, 'a')
  await writeFile(
    meta,
    text
      .replace(/^node\.id=.*$/m, `node.id=${nodeId}`)
      .replace(/^directory\.id=.*$/m, `directory.id=${id}`),
  )
  await writeFile(path.join(directory, 'server.properties'), properties)
}

export interface NodeShape {
  node: number
  count: number
  /** One for clients a node, one behind a proxy a node, then the controller's. */
  ports: number[]
  directory: string
  properties?: Record<string, string>
  /** Advertised ports of the second listeners, where a proxy stands before them. */
  advertise?: number[]
}

export function serverProperties(shape: NodeShape): string {
  const { node, count, ports, directory } = shape
  const isController = node === 0
  const client = `PLAINTEXT://127.0.0.1:${ports[node]}`
  const behind = `PROXIED://127.0.0.1:${ports[count + node]}`
  const advertised = shape.advertise?.[node] ?? ports[count + node]
  const controller = `127.0.0.1:${ports[count * 2]}`
  const replicas = String(count === 3 ? 3 : 1)
  const properties: Record<string, string> = {
    'process.roles': isController ? 'broker,controller' : 'broker',
    'node.id': String(node + 1),
    'controller.quorum.voters': `1@${controller}`,
    listeners: [client, behind, ...(isController ? [`CONTROLLER://${controller}`] : [])].join(','),
    'advertised.listeners': `${client},PROXIED://127.0.0.1:${advertised}`,
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': path.join(directory, 'data'),
    'num.partitions': '4',
    'default.replication.factor': replicas,
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '2',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'num.network.threads': '2',
    'num.io.threads': '4',
    'log.cleaner.dedupe.buffer.size': '2097152',
    // A dead broker of three is noticed in seconds, not in nine.
    'broker.heartbeat.interval.ms': '500',
    'broker.session.timeout.ms': '3000',
    ...shape.properties,
  }
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}
