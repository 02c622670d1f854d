/**
 * Apache Kafka for tests: its jars come from Maven into a cache outside the repository, once.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder, copyJars, onceAcrossProcesses } from './cache.ts'

/** The version that `kafka-pom.xml` names. */
export const KAFKA_VERSION = '4.1.1'
const POM = fileURLToPath(new URL('./kafka-pom.xml', import.meta.url))
const OLDEST_JAVA = 17

export type KafkaAvailability = { ok: true } | { ok: false; reason: string }

export interface KafkaInstall {
  classPath: string
  /** A class data archive, which halves the start of each JVM; made by `kafka.ts`. */
  archive: string
}

let known: KafkaAvailability | undefined

/** Whether a Kafka can be had: `KAFKA_BROKERS`, or Java 17 and (Maven or a filled cache). */
export function kafkaAvailability(): KafkaAvailability {
  known ??= process.env['KAFKA_BROKERS'] ? { ok: true } : javaAvailability()
  return known
}

export function javaAvailability(): KafkaAvailability {
  const java = javaVersion()
  if (java === undefined) {
    return {
      ok: false,
      reason:
        'Apache Kafka needs Java 17 or newer: apt-get install openjdk-17-jre-headless maven, or set KAFKA_BROKERS=host:port',
    }
  }
  if (java < OLDEST_JAVA) {
    return { ok: false, reason: `Apache Kafka needs Java 17 or newer and found ${java}` }
  }
  if (existsSync(jarsDirectory())) return { ok: true }
  if (spawnSync('mvn', ['-v'], { stdio: 'ignore' }).status === 0) return { ok: true }
  return {
    ok: false,
    reason: "Kafka's jars come by Maven: apt-get install maven, or set KAFKA_BROKERS=host:port",
  }
}

/** The folder that holds everything of this version. */
export function cacheDirectory(): string {
  return path.join(cacheFolder(), `kafka-${KAFKA_VERSION}`)
}

/** Downloads the jars unless they are there. Several processes may call it at once. */
export async function installKafka(): Promise<KafkaInstall> {
  await onceAcrossProcesses(jarsDirectory(), (target) => copyJars(POM, target))
  const jars = await readdir(jarsDirectory())
  const classPath = jars
    .filter((name) => name.endsWith('.jar'))
    .toSorted()
    .map((name) => path.join(jarsDirectory(), name))
    .join(':')
  return { classPath, archive: path.join(cacheDirectory(), `classes-java${javaVersion()}.jsa`) }
}

function jarsDirectory(): string {
  return path.join(cacheDirectory(), 'libs')
}

let javaMajor: number | undefined

function javaVersion(): number | undefined {
  if (javaMajor !== undefined) return javaMajor
  const { stderr, status } = spawnSync('java', ['-version'], { encoding: 'utf8' })
  if (status !== 0) return undefined
  // `version "17.0.15"`, and `version "1.8.0_402"` of old.
  const match = /version "(?:1\.)?(\d+)/.exec(stderr)
  javaMajor = match ? Number(match[1]) : undefined
  return javaMajor
}
