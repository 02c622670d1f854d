/**
 * A project in a temporary folder with a runtime as its users start it: the real `fn`, in a process of
 * its own, on free ports.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { readRuntimeFile, type RuntimeFile } from '../../runtime/runtime-file.ts'
import { eventually } from './eventually.ts'

const REPOSITORY = join(import.meta.dirname, '..', '..')
const FN = join(REPOSITORY, 'cli', 'main.ts')
/** A member that was killed keeps its place in the group for ten seconds. */
const START_DEADLINE_MS = 180_000

export interface FnResult {
  code: number
  stdout: string
  stderr: string
}

export interface RunningRuntime extends RuntimeFile {
  /** What it wrote to stderr so far. */
  output(): string
  /** Ends it with the signal and resolves with the exit code, or null for a kill. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

export interface Project {
  dir: string
  /** Runs `fn ARGS` to its end in the project's folder. */
  fn(args: readonly string[], input?: string): Promise<FnResult>
  /** As `fn ARGS --json`; fails unless it ends with 0. */
  json<T>(args: readonly string[]): Promise<T[]>
  /**
   * Starts the runtime and waits until it is ready. `command`: `start` (default), `dev`, or `main`;
   * `within`: a command that runs another one in its own place, such as `nsenter`.
   */
  start(
    args?: readonly string[],
    command?: string,
    within?: readonly string[],
  ): Promise<RunningRuntime>
  write(file: string, text: string): Promise<void>
  /** Takes over what another project built, to run as one more process of its deployment. */
  copyBuild(from: Project): Promise<void>
}

/** `functions`: file name → source; or `'guide'` for this repository's own. Removed with what `t` ends. */
export async function project(
  t: Pick<TestContext, 'after'>,
  functions: Record<string, string> | 'guide',
): Promise<Project> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-project-'))
  const running = new Set<ChildProcess>()
  t.after(async () => {
    for (const child of running) child.kill('SIGKILL')
    await rm(dir, { recursive: true, force: true })
  })
  if (functions === 'guide') {
    await cp(join(REPOSITORY, 'functions'), join(dir, 'functions'), { recursive: true })
  } else {
    await mkdir(join(dir, 'functions'))
    for (const [name, source] of Object.entries(functions)) {
      await writeFile(join(dir, 'functions', name), source)
    }
  }
  await symlink(join(REPOSITORY, 'node_modules'), join(dir, 'node_modules'))

  const fn = (args: readonly string[], input?: string): Promise<FnResult> =>
    run(dir, args, { input, running })
  return {
    dir,
    fn,
    json: async <T>(args: readonly string[]): Promise<T[]> => {
      const { code, stdout, stderr } = await fn([...args, '--json'])
      if (code !== 0) throw new Error(`fn ${args.join(' ')} ended with ${code}: ${stderr}`)
      return stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as T)
    },
    start: (args = [], command = 'start', within = []) =>
      start(dir, [...within, process.execPath, FN, command, ...args], running),
    copyBuild: async (from) => {
      await cp(join(from.dir, '.millrace', 'build'), join(dir, '.millrace', 'build'), {
        recursive: true,
      })
    },
    write: async (file, text) => {
      await writeFile(join(dir, file), text)
    },
  }
}

function run(
  dir: string,
  args: readonly string[],
  { input = '', running }: { input: string | undefined; running: Set<ChildProcess> },
): Promise<FnResult> {
  const { promise, resolve, reject } = Promise.withResolvers<FnResult>()
  const child = spawn(process.execPath, [FN, ...args], { cwd: dir })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  child.once('error', reject)
  running.add(child)
  child.once('close', (code) => {
    running.delete(child)
    resolve({
      code: code ?? -1,
      stdout: Buffer.concat(stdout).toString(),
      stderr: Buffer.concat(stderr).toString(),
    })
  })
  child.stdin.end(input)
  return promise
}

async function start(
  dir: string,
  [program = '', ...args]: readonly string[],
  running: Set<ChildProcess>,
): Promise<RunningRuntime> {
  const child = spawn(program, [...args, '--port', '0', '--metrics-port', '0'], {
    cwd: dir,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  running.add(child)
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      running.delete(child)
      resolve(code)
    })
  })
  const file = await eventually(
    async () => {
      if (!running.has(child)) throw new Error(`the runtime ended at its start:\n${output}`)
      const found = await readRuntimeFile(dir)
      return found?.pid === child.pid ? found : undefined
    },
    'the runtime is ready',
    START_DEADLINE_MS,
  )
  return {
    ...file,
    output: () => output,
    end: (signal) => {
      // As a terminal does: Ctrl-C reaches the whole process group, workers included.
      if (signal === 'SIGINT') process.kill(-(child.pid as number), signal)
      else child.kill(signal)
      return ended
    },
  }
}
