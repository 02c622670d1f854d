/**
 * `npm test`: runs the test files by phase and ends in the line `N passed, N failed, N skipped`. With
 * `--neighbours` first, as `npm run test:neighbours`: only those that put foreign software beside Millrace, and longer ones.
 */
import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'
import { importsFile, selectTests, type Phase, type Selection } from './discover.ts'
import { clusterAvailability, installApiServer } from './cluster-install.ts'
import { FileLimit, isFollowed } from './file-limit.ts'
import { kafkaAvailability, startKafka, type KafkaCluster } from './kafka.ts'
import { REPORTED, Reporter, summaryLine, type TestEvent } from './reporter.ts'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const CLUSTER_SUPPORT = resolve(ROOT, 'test/support/cluster.ts')
const KAFKA_SUPPORT = resolve(ROOT, 'test/support/kafka.ts')

/** What has real clocks and limits in it gets the machine to itself. */
const PHASES: readonly Phase[] = [
  {
    name: 'unit',
    globs: ['test/unit/**/*.test.ts', 'test/invariants/**/*.test.ts', 'functions/**/*.test.ts'],
    concurrency: availableParallelism(),
  },
  { name: 'integration', globs: ['test/integration/**/*.test.ts'], concurrency: 2 },
  { name: 'isolation', globs: ['test/isolation/**/*.test.ts'], concurrency: 1 },
  // Whole runtimes, which mostly wait: for Kafka to miss a member, for a command to start.
  { name: 'e2e', globs: ['test/e2e/**/*.test.ts'], concurrency: 2 },
]
/** What needs Java programs, Python, or minutes: not in `npm test`, whose time is for every change. */
const NEIGHBOURS: readonly Phase[] = [
  { name: 'neighbours', globs: ['test/neighbours/**/*.test.ts'], concurrency: 1 },
]
const NEIGHBOURS_FLAG = '--neighbours'
/** A test or a suite that takes longer hangs. */
const TEST_TIMEOUT_MS = 540_000
/** A file that takes longer hangs, or its process does not end; it is killed with all that it started. */
const FILE_LIMIT_MS = 600_000

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => interrupted.abort())
}
// Kafka's processes do not keep this one alive while it waits for them.
const alive = setInterval(() => {}, 60_000)
process.exitCode = await main(process.argv.slice(2))
clearInterval(alive)

async function main(given: readonly string[]): Promise<number> {
  const phases = given[0] === NEIGHBOURS_FLAG ? NEIGHBOURS : PHASES
  const args = given.filter((arg) => arg !== NEIGHBOURS_FLAG)
  const { selections, namePatterns } = selectTests(ROOT, phases, args)
  const reporter = new Reporter({ root: ROOT, write, mayBeEmpty: namePatterns.length > 0 })
  await buildCluster(selections)
  const kafka = await sharedKafka(selections)
  try {
    for (const selection of selections) {
      if (interrupted.signal.aborted) break
      await runPhase(selection, namePatterns, reporter)
    }
  } finally {
    await kafka?.stop()
  }
  reporter.end()
  return conclude(reporter, args)
}

/** One Kafka for all files that ask for one; those that kill or configure theirs start their own. */
async function sharedKafka(selections: readonly Selection[]): Promise<KafkaCluster | undefined> {
  const files = selections.flatMap((selection) => selection.files)
  if (!files.some((file) => importsFile(file, KAFKA_SUPPORT))) return undefined
  if (process.env['KAFKA_BROKERS']) {
    write(`Kafka: ${process.env['KAFKA_BROKERS']}, from KAFKA_BROKERS\n`)
    return undefined
  }
  const availability = kafkaAvailability()
  if (!availability.ok) {
    write(`Kafka: none, so the tests that need it do not run. ${availability.reason}\n`)
    return undefined
  }
  const startedMs = performance.now()
  const kafka = await startKafka()
  process.env['KAFKA_BROKERS'] = kafka.bootstrap
  // Tells apart what this run started from what the user named: `startKafka({ own: true })`.
  process.env['MILLRACE_TEST_KAFKA'] = 'shared'
  write(`Kafka: started in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s\n`)
  return kafka
}

/** The API server takes longer to build, once, than a file of tests may run. */
async function buildCluster(selections: readonly Selection[]): Promise<void> {
  const files = selections.flatMap((selection) => selection.files)
  if (!files.some((file) => importsFile(file, CLUSTER_SUPPORT))) return
  const availability = clusterAvailability()
  if (!availability.ok) {
    write(`Kubernetes: none, so the tests that need it do not run. ${availability.reason}\n`)
    return
  }
  const startedMs = performance.now()
  await installApiServer(() => write('Kubernetes: building the API server, once; many minutes\n'))
  const seconds = (performance.now() - startedMs) / 1_000
  if (seconds > 1) write(`Kubernetes: built in ${seconds.toFixed(0)} s\n`)
}

async function runPhase(
  { phase, files }: Selection,
  namePatterns: readonly string[],
  reporter: Reporter,
): Promise<void> {
  write(`\n${phase.name}\n`)
  const limit = new FileLimit({
    limitMs: FILE_LIMIT_MS,
    ending: (file, reason) => reporter.ending(file, reason),
  })
  const events = run({
    files,
    concurrency: phase.concurrency,
    timeout: TEST_TIMEOUT_MS,
    cwd: ROOT,
    signal: interrupted.signal,
    testNamePatterns: namePatterns.map((pattern) => new RegExp(pattern, 'i')),
    // isolated-vm demands it of the process that loads it.
    execArgv: ['--no-node-snapshot'],
  })
  for await (const event of events) {
    if (isFollowed(event)) limit.take(event)
    if (isReported(event)) reporter.take(event)
  }
}

function isReported(event: { type: string }): event is TestEvent {
  return (REPORTED as readonly string[]).includes(event.type)
}

/** Prints the last line; 0 only when something ran, nothing failed and, in CI, nothing was left out. */
function conclude(reporter: Reporter, args: readonly string[]): number {
  const counts = reporter.counts
  const skippedInCi = process.env['CI'] === 'true' && counts.skipped > 0
  const ranNothing = counts.passed + counts.failed === 0
  write('\n')
  if (interrupted.signal.aborted) write('Interrupted: not all tests ran.\n')
  if (skippedInCi) write('CI=true: a skipped test is a failure; see the reasons above.\n')
  if (ranNothing) {
    write(args.length > 0 ? `No test matches ${args.join(' ')}.\n` : 'There are no tests.\n')
  }
  write(`${summaryLine(counts)}\n`)
  if (interrupted.signal.aborted) return 130
  return counts.failed > 0 || skippedInCi || ranNothing ? 1 : 0
}

function write(text: string): void {
  process.stdout.write(text)
}
