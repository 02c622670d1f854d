/** One Kafka process: its files and its JVM. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { KafkaInstall } from './kafka-install.ts'
import { startWatched, type WatchedProgram } from './watched-program.ts'

export interface JvmOptions {
  /** Full just-in-time compilation, for measurements; tests start faster without. */
  fullJit?: boolean
  heapMiB?: number
}

export function jvmFlags(install: KafkaInstall, options: JvmOptions): string[] {
  return [
    `-Xmx${options.heapMiB ?? 512}m`,
    '-XX:+UseSerialGC',
    '-XX:-UsePerfData',
    ...(options.fullJit ? [] : ['-XX:TieredStopAtLevel=1']),
    `-XX:SharedArchiveFile=${install.archive}`,
    '-Xlog:cds=off',
    '-Xlog:cds+dynamic=off',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
    '-cp',
    install.classPath,
  ]
}

/** Starts the node whose `server.properties` lie in `directory`; resolves when it serves. */
export async function startNode(
  directory: string,
  root: string,
  flags: string[],
): Promise<WatchedProgram> {
  const log = path.join(directory, `server-${Date.now()}.log`)
  const properties = path.join(directory, 'server.properties')
  const node = await startWatched({
    command: ['java', ...flags, 'kafka.Kafka', properties],
    log,
    folder: root,
  })
  await node.until(async () => (await readFile(log, 'utf8')).includes('Kafka Server started'))
  return node
}
