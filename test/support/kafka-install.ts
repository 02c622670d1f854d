/**
 * Apache Kafka for tests: its jars come from Maven into a cache outside the repository, once.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** The version that `kafka-pom.xml` names. */
export const KAFKA_VERSION = '4.1.1'
const POM = fileURLToPath(new URL('./kafka-pom.xml', import.meta.url))
const OLDEST_JAVA = 17
const INSTALL_DEADLINE_MS = 300_000

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
  const base = process.env['MILLRACE_CACHE'] ?? path.join(os.homedir(), '.cache', 'millrace')
  return path.join(base, `kafka-${KAFKA_VERSION}`)
}

/** Downloads the jars unless they are there. Several processes may call it at once. */
export async function installKafka(): Promise<KafkaInstall> {
  await onceAcrossProcesses(jarsDirectory(), async (target) => {
    const staging = await mkdtemp(path.join(path.dirname(target), 'staging-'))
    try {
      await run('mvn', [
        '-q',
        '-B',
        '-f',
        POM,
        'dependency:copy-dependencies',
        '-DincludeScope=runtime',
        `-DoutputDirectory=${path.join(staging, 'libs')}`,
      ])
      await rename(path.join(staging, 'libs'), target)
    } finally {
      await rm(staging, { recursive: true, force: true })
    }
  })
  const jars = await readdir(jarsDirectory())
  const classPath = jars
    .filter((name) => name.endsWith('.jar'))
    .toSorted()
    .map((name) => path.join(jarsDirectory(), name))
    .join(':')
  return { classPath, archive: path.join(cacheDirectory(), `classes-java${javaVersion()}.jsa`) }
}

/** Runs `make(target)` in one process at a time and only while `target` is missing. */
export async function onceAcrossProcesses(
  target: string,
  make: (target: string) => Promise<void>,
): Promise<void> {
  const lock = `${target}.lock`
  const deadline = Date.now() + INSTALL_DEADLINE_MS
  await mkdir(path.dirname(target), { recursive: true })
  while (!existsSync(target)) {
    if (await takeLock(lock)) {
      try {
        if (!existsSync(target)) await make(target)
      } finally {
        await rm(lock, { force: true })
      }
      return
    }
    if (Date.now() > deadline) throw new Error(`${lock} has been held for too long; remove it`)
    await delay(200)
  }
}

async function takeLock(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const holder = Number(await readFile(lock, 'utf8').catch(() => ''))
  if (holder > 0 && !isAlive(holder)) await rm(lock, { force: true })
  return false
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

export async function run(command: string, args: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const collect = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-4_000)
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output}`)
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
