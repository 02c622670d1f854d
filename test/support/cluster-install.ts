/**
 * A real kube-apiserver for tests, built once from the Go module proxy into a cache outside the
 * repository, and Debian's etcd beneath it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { cacheFolder, onceAcrossProcesses, run } from './cache.ts'

export const KUBERNETES_VERSION = '1.36.3'
/** The Go that Kubernetes 1.36 asks for. */
const OLDEST_GO = [1, 26] as const

export type ClusterAvailability = { ok: true } | { ok: false; reason: string }

/** Whether a control plane can be had: etcd, kubectl, and a built API server or Go to build it. */
export function clusterAvailability(): ClusterAvailability {
  if (!answers('etcd', ['--version'])) {
    return { ok: false, reason: 'the cluster tests need etcd: apt-get install etcd-server' }
  }
  if (!answers('kubectl', ['version', '--client'])) {
    return { ok: false, reason: 'the cluster tests need kubectl 1.30 or newer on the PATH' }
  }
  if (existsSync(apiServerBinary())) return { ok: true }
  const found = goVersion()
  if (found !== undefined && atLeast(found, OLDEST_GO)) return { ok: true }
  const wanted = `kube-apiserver ${KUBERNETES_VERSION} is built with Go ${OLDEST_GO.join('.')} or newer`
  const has = found === undefined ? 'there is no go on the PATH' : `go is ${found.join('.')}`
  return { ok: false, reason: `${wanted}, and ${has}: https://go.dev/dl` }
}

/**
 * Builds the API server unless it is there, and resolves with its path. Several processes may call it
 * at once; one of them builds.
 */
export async function installApiServer(onBuild: () => void = () => {}): Promise<string> {
  await onceAcrossProcesses(apiServerBinary(), (target) => {
    onBuild()
    return buildApiServer(target)
  })
  return apiServerBinary()
}

/** The folder that holds everything of this version. */
function cacheDirectory(): string {
  return path.join(cacheFolder(), `kubernetes-${KUBERNETES_VERSION}`)
}

function apiServerBinary(): string {
  return path.join(cacheDirectory(), 'kube-apiserver')
}

async function buildApiServer(target: string): Promise<void> {
  const staging = await mkdtemp(path.join(path.dirname(target), 'staging-'))
  try {
    await writeFile(path.join(staging, 'go.mod'), await goModule())
    const stamp = 'k8s.io/component-base/version'
    const [major, minor] = KUBERNETES_VERSION.split('.')
    const flags = [
      '-s -w',
      `-X ${stamp}.gitVersion=v${KUBERNETES_VERSION}`,
      `-X ${stamp}.gitMajor=${major}`,
      `-X ${stamp}.gitMinor=${minor}`,
    ]
    // Behind everything else on the machine: it takes many minutes of all cores.
    const go = ['-n', '19', 'env', 'CGO_ENABLED=0', 'go', 'build', '-C', staging, '-mod=mod']
    go.push('-trimpath', '-buildvcs=false', '-ldflags', flags.join(' '))
    go.push('-o', path.join(staging, 'kube-apiserver'), 'k8s.io/kubernetes/cmd/kube-apiserver')
    await run('nice', go)
    await chmod(path.join(staging, 'kube-apiserver'), 0o755)
    await rename(path.join(staging, 'kube-apiserver'), target)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/**
 * Kubernetes names its own libraries by folders of its repository, which a module that depends on it
 * does not have; each of them is also published, as `v0` with the same minor and patch.
 */
async function goModule(): Promise<string> {
  const source = `k8s.io/kubernetes@v${KUBERNETES_VERSION}`
  const { GoMod } = JSON.parse(await run('go', ['mod', 'download', '-json', source])) as {
    GoMod: string
  }
  const declared = await readFile(GoMod, 'utf8')
  const libraries = [...declared.matchAll(/^\s*(\S+) => \.\/staging\//gm)].map(([, name]) => name)
  const version = `v${KUBERNETES_VERSION.replace(/^1/, '0')}`
  return [
    'module millrace.test/cluster',
    `go ${/^go (\S+)$/m.exec(declared)?.[1]}`,
    `require k8s.io/kubernetes v${KUBERNETES_VERSION}`,
    ...libraries.map((name) => `replace ${name} => ${name} ${version}`),
    '',
  ].join('\n')
}

function answers(command: string, args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function goVersion(): number[] | undefined {
  const { stdout, status } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' })
  if (status !== 0) return undefined
  return /^go(\d+)\.(\d+)/.exec(stdout)?.slice(1).map(Number)
}

function atLeast(found: readonly number[], wanted: readonly number[]): boolean {
  const [major = 0, minor = 0] = found
  const [wantedMajor = 0, wantedMinor = 0] = wanted
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}
