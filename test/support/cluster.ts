/**
 * A real Kubernetes control plane for tests: etcd and kube-apiserver, on loopback and free ports, with
 * their data in a temporary folder, ended with the process that started them. RBAC is on.
 */
import { spawn } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get as getSecurely } from 'node:https'
import os from 'node:os'
import path from 'node:path'
import { installApiServer } from './cluster-install.ts'
import { freePorts } from './free-ports.ts'
import { startWatched, type WatchedProgram } from './watched-program.ts'

export interface Cluster {
  /** A kubeconfig of the cluster's administrator. */
  readonly admin: string
  /** A kubeconfig by the token of a service account, which has to be there. */
  serviceAccount(namespace: string, name: string): Promise<string>
  /** Runs kubectl as the administrator; resolves with what it wrote. */
  kubectl(args: string[], input?: string): Promise<string>
  /** Ends the API server hard and starts it again on its port. */
  restartApiServer(whileDown?: () => Promise<void>): Promise<void>
  /** Forgets all versions but the newest, so that an older one cannot be watched from. */
  compact(): Promise<void>
  stop(): Promise<void>
}

export async function startCluster(): Promise<Cluster> {
  const binary = await installApiServer()
  const root = await mkdtemp(path.join(os.tmpdir(), 'millrace-cluster-'))
  const ports = (await freePorts(3)) as [number, number, number]
  const [etcdPort, peerPort, apiPort] = ports
  const tokens = { admin: randomBytes(16).toString('hex') }
  const files = await writeFiles(root, tokens)
  const etcd = await startEtcd(root, etcdPort, peerPort)
  const startApi = (): Promise<WatchedProgram> =>
    startApiServer({ binary, root, files, port: apiPort, etcd: `http://127.0.0.1:${etcdPort}` })
  let api: WatchedProgram
  try {
    api = await startApi()
  } catch (error) {
    await etcd.end('SIGKILL')
    await rm(root, { recursive: true, force: true })
    throw error
  }
  const server = `https://127.0.0.1:${apiPort}`
  const admin = await writeKubeconfig(path.join(root, 'admin.yaml'), server, tokens.admin)
  const kubectl = (args: string[], input?: string): Promise<string> =>
    runKubectl(root, ['--kubeconfig', admin, ...args], input)

  return {
    admin,
    kubectl,
    async serviceAccount(namespace, name) {
      const token = await kubectl(['create', 'token', name, '-n', namespace])
      return writeKubeconfig(path.join(root, `${namespace}-${name}.yaml`), server, token.trim())
    },
    async restartApiServer(whileDown) {
      await api.end('SIGKILL')
      await whileDown?.()
      api = await startApi()
    },
    compact: () => compactEtcd(`http://127.0.0.1:${etcdPort}`),
    async stop() {
      // The API server first: without etcd it does not end for a long time.
      await api.end('SIGKILL')
      await etcd.end('SIGKILL')
      await rm(root, { recursive: true, force: true })
    },
  }
}

interface Files {
  tokens: string
  signingKey: string
}

async function writeFiles(root: string, tokens: { admin: string }): Promise<Files> {
  const files = {
    tokens: path.join(root, 'tokens.csv'),
    signingKey: path.join(root, 'signing.pem'),
  }
  // The group that may do everything.
  await writeFile(files.tokens, `${tokens.admin},admin,admin,"system:masters"\n`)
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2_048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  await writeFile(files.signingKey, privateKey, { mode: 0o600 })
  await mkdir(path.join(root, 'home'))
  return files
}

async function startEtcd(root: string, port: number, peerPort: number): Promise<WatchedProgram> {
  const url = `http://127.0.0.1:${port}`
  const peer = `http://127.0.0.1:${peerPort}`
  const flags = {
    'data-dir': path.join(root, 'etcd'),
    name: 'test',
    'listen-client-urls': url,
    'advertise-client-urls': url,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `test=${peer}`,
    // A test's data need not outlive the machine.
    'unsafe-no-fsync': 'true',
  }
  const etcd = await startProgram(root, 'etcd', flags)
  await etcd.until(async () => (await fetch(`${url}/health`)).ok)
  return etcd
}

async function startApiServer(at: {
  binary: string
  root: string
  files: Files
  port: number
  etcd: string
}): Promise<WatchedProgram> {
  const { binary, root, files, port, etcd } = at
  const flags = {
    'etcd-servers': etcd,
    'secure-port': String(port),
    'bind-address': '127.0.0.1',
    'cert-dir': path.join(root, 'certificates'),
    'token-auth-file': files.tokens,
    'authorization-mode': 'RBAC',
    'endpoint-reconciler-type': 'none',
    'service-account-issuer': 'https://millrace.test',
    'service-account-key-file': files.signingKey,
    'service-account-signing-key-file': files.signingKey,
    'service-cluster-ip-range': '10.0.0.0/24',
    // Nothing makes default service accounts here, which this plugin would wait for.
    'disable-admission-plugins': 'ServiceAccount',
  }
  const api = await startProgram(root, binary, flags)
  await api.until(() => isReady(port))
  return api
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { rejectUnauthorized: false, timeout: 2_000, agent: false as const }
    const asked = getSecurely(`https://127.0.0.1:${port}/readyz`, options, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.once('timeout', () => asked.destroy())
    asked.once('error', () => resolve(false))
  })
}

async function compactEtcd(url: string): Promise<void> {
  const ask = async (what: string, body: unknown): Promise<Record<string, unknown>> => {
    const response = await fetch(`${url}/v3/kv/${what}`, {
      method: 'POST',
      body: JSON.stringify(body),
    })
    const answer = (await response.json()) as Record<string, unknown>
    // Nothing was written since the last time.
    const isDone = String(answer['message']).includes('has been compacted')
    if (!response.ok && !isDone) throw new Error(`etcd answered ${JSON.stringify(answer)}`)
    return answer
  }
  const key = Buffer.from('compact_rev_key').toString('base64')
  const { header } = await ask('range', { key })
  await ask('compaction', { revision: (header as { revision: string }).revision, physical: true })
}

async function writeKubeconfig(file: string, server: string, token: string): Promise<string> {
  // The API server makes it at its start, and signs it itself.
  const certificate = path.join(path.dirname(file), 'certificates', 'apiserver.crt')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority': certificate } }],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  }
  await writeFile(file, JSON.stringify(config), { mode: 0o600 })
  return file
}

async function runKubectl(root: string, args: string[], input = ''): Promise<string> {
  // Its cache of what the server knows must not outlive a change of the definitions.
  const child = spawn('kubectl', ['--cache-dir', path.join(root, 'home'), ...args])
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.on('error', () => {
    // It does not read its input when it fails; the exit code tells.
  })
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}:\n${stderr}`)
  return stdout
}

/** Nothing of the environment but where programs are. */
function startProgram(
  root: string,
  binary: string,
  flags: Record<string, string>,
): Promise<WatchedProgram> {
  return startWatched({
    command: [binary, ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)],
    log: path.join(root, `${path.basename(binary)}.log`),
    folder: root,
    env: { PATH: process.env['PATH'] },
  })
}
