/** The guide's Flask apps, unchanged, each in a process of its own on a free port. */
import { spawn, type ChildProcess } from 'node:child_process'
import type { TestContext } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { freePorts } from '../../support/free-ports.ts'

export interface App {
  url: string
  /** All that it printed. */
  output(): string
}

export interface AppOptions {
  python: string
  /** Folder that holds the module. */
  dir: string
  /** Module that has `app`; default `app`. */
  module?: string
  env?: Record<string, string>
  /** Serves prometheus_client's metrics on this port too, as the app's own `__main__` does. */
  metricsPort?: number
}

/** Imported, not run as `__main__`: there each of them wants port 8080 for itself. */
const PROGRAM = `
import importlib, sys
module = importlib.import_module(sys.argv[1])
if sys.argv[3] != "0":
    import prometheus_client
    prometheus_client.start_http_server(int(sys.argv[3]), addr="127.0.0.1")
module.app.run(host="127.0.0.1", port=int(sys.argv[2]))
`

export async function startApp(t: Pick<TestContext, 'after'>, options: AppOptions): Promise<App> {
  const { python, dir, module = 'app', env = {}, metricsPort = 0 } = options
  const port = await freePort()
  const child = spawn(python, ['-u', '-c', PROGRAM, module, String(port), String(metricsPort)], {
    cwd: dir,
    env: { PATH: process.env['PATH'], PYTHONPATH: dir, PYTHONDONTWRITEBYTECODE: '1', ...env },
  })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const url = `http://127.0.0.1:${port}`
  await eventually(() => answers(url, child, () => output), `${dir} answers`, 180_000)
  return { url, output: () => output }
}

async function answers(
  url: string,
  child: ChildProcess,
  output: () => string,
): Promise<true | undefined> {
  if (child.exitCode !== null) throw new Error(`the app ended: ${output()}`)
  try {
    await fetch(url)
    return true
  } catch {
    return undefined // it does not listen yet
  }
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  return port as number
}
