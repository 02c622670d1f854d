import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cacheFolder, findNode24, isNode24 } from './node24.js'
import { watchNpm } from './npm-parent.js'
import { SetupError } from './setup-error.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']
/**
 * One Ctrl-C reaches this process up to twice (from the terminal and from npm, which forwards it) and the
 * child once more. What comes again within this time is the same wish.
 */
const SAME_SIGNAL_MS = 1_000

/** Runs `work`; a set-up that failed is told without a stack. */
export async function orExplain(work) {
  watchNpm(() => process.kill(process.pid, 'SIGTERM'))
  try {
    await work()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = error.exitCode
  }
}

/**
 * Runs a script with Node 24 and these flags: inside this process where that is so already, else in a
 * child whose exit code or signal becomes this process's own.
 */
export async function handOver(script, args, flags = []) {
  const compileCache = join(cacheFolder(), 'compile')
  if (isNode24() && flags.every((flag) => process.execArgv.includes(flag))) {
    const { enableCompileCache } = await import('node:module')
    enableCompileCache(compileCache)
    process.argv = [process.execPath, script, ...args]
    await import(pathToFileURL(script).href)
    return
  }
  const node = await findNode24()
  const env = { NODE_COMPILE_CACHE: compileCache, ...process.env }
  await follow(() => spawn(node, [...flags, script, ...args], { stdio: 'inherit', env }))
}

function follow(start) {
  const lastMs = new Map()
  const forward = (signal) => {
    const now = performance.now()
    const again = now - (lastMs.get(signal) ?? -Infinity) < SAME_SIGNAL_MS
    lastMs.set(signal, now)
    if (!again) child.kill(signal)
  }
  // Listening begins before the child does: a signal in between would end this process alone.
  for (const signal of SIGNALS) process.on(signal, forward)
  const child = start()
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      for (const name of SIGNALS) process.off(name, forward)
      if (signal === null) process.exitCode = code ?? 1
      else endBy(signal)
      resolve()
    })
  })
}

/** Ends as the child did, so that the caller's shell sees the same. */
function endBy(signal) {
  process.exitCode = 128 + constants.signals[signal]
  process.kill(process.pid, signal)
}
