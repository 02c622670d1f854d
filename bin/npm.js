import { spawn } from 'node:child_process'
import { SetupError } from './setup-error.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Runs npm without showing its output, which on Node 20 is mostly warnings about engines that do not
 * matter here. A failure shows all of it, with what to do.
 */
export async function runNpm(args, { cwd, purpose }) {
  const { code, output, interrupted } = await collect('npm', args, cwd, purpose)
  if (interrupted) throw new SetupError(`millrace: interrupted while npm ${purpose}.`, 130)
  if (code === 0) return
  throw new SetupError(
    [
      `millrace: npm failed while it ${purpose} (npm ${args.join(' ')}, in ${cwd}).`,
      '',
      essence(output),
      '',
      hint(output),
    ].join('\n'),
  )
}

/** What npm says about the failure, without its warnings and its usage text. */
function essence(output) {
  const [failure = ''] = output.split(/^npm error Usage:/m)
  const lines = failure.split('\n').filter((line) => !line.startsWith('npm warn'))
  return lines.join('\n').trim()
}

function collect(command, args, cwd, purpose) {
  return new Promise((resolve, reject) => {
    let output = ''
    let interrupted = false
    // Left alone, npm would go on in a folder that nobody waits for. Listening begins before npm does: a
    // signal in between would end this process alone.
    const interrupt = (signal) => {
      interrupted = true
      child.kill(signal)
    }
    for (const signal of SIGNALS) process.on(signal, interrupt)
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    child.on('error', (error) => {
      const what = error.code === 'ENOENT' ? 'npm is not on the PATH' : error.message
      reject(
        new SetupError(
          `millrace: cannot start npm, which ${purpose}: ${what}.\n` +
            'Install npm (Debian: apt-get install npm) and run the command again.',
        ),
      )
    })
    child.on('close', (code) => {
      for (const signal of SIGNALS) process.off(signal, interrupt)
      resolve({ code, output, interrupted })
    })
  })
}

const NETWORK = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/
const TLS = /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|CERT_/

function hint(output) {
  if (TLS.test(output)) {
    return (
      'The registry’s certificate is not trusted here. Behind a proxy with its own authority, set\n' +
      'NODE_EXTRA_CA_CERTS to its certificate file, then run the command again.'
    )
  }
  if (NETWORK.test(output)) {
    return (
      'The npm registry could not be reached. Check the network, or point npm at a registry that this\n' +
      'machine reaches (npm config set registry URL; HTTPS_PROXY for a proxy), then run the command again.\n' +
      'It starts over: nothing half installed is used.'
    )
  }
  if (/ENOSPC/.test(output))
    return 'The disk is full. Free about 500 MB, then run the command again.'
  if (/EACCES|EPERM|EROFS/.test(output)) {
    return 'A folder cannot be written. Check who owns it, or set MILLRACE_CACHE to a folder of yours.'
  }
  return 'Repair what npm names above, then run the command again.'
}
