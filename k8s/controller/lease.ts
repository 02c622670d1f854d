/**
 * One controller at a time: whoever holds a Lease (`coordination.k8s.io/v1`) works, the others wait. It
 * only chooses; that a former holder writes nothing more is the transactor's matter (`config-writer.ts`).
 *
 * How long a holder has been silent is measured by this process's own clock from when it saw the last
 * renewal, so that clocks need not agree.
 */
import { backOff, pause } from '../../runtime/backoff.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import type { Logger } from '../../runtime/contract/log.ts'
import { RefusedError, type Answer, type ApiServer } from './api-server.ts'

export interface LeaseOptions {
  api: ApiServer
  namespace: string
  name: string
  /** Of this process, different from every other one's. */
  holder: string
  /** Default 15,000 ms without a renewal, after which another one takes over. */
  durationMs?: number
  /** Works until the signal aborts: the lease is lost, or this process stops. */
  work(signal: AbortSignal): Promise<void>
  log: Logger
}

const DURATION_MS = 15_000
/** How often one that waits looks; a holder that stops gives back at once. */
const LOOK_MS = 1_000

interface SeenLease {
  resourceVersion: string
  holder: string
  transitions: number
  /** When this process first saw this version. */
  since: number
}

export class Lease {
  readonly #options: LeaseOptions
  readonly #path: string
  readonly #durationMs: number
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  #seen: SeenLease | undefined
  #renewedAt = 0
  #trouble: string | undefined

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#durationMs = options.durationMs ?? DURATION_MS
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`
    this.#done = this.#run()
  }

  /** Why it is not known who works; undefined while it is, be it another one. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** Ends the work, then gives the lease back, so that another one need not wait for it to run out. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    for (let failures = 0; !signal.aborted;) {
      try {
        if (await this.#take()) {
          failures = 0
          await this.#hold()
        }
        // Also after work that ended by itself: somebody else may have written, and gets a turn.
        await pause(LOOK_MS, signal)
      } catch (error) {
        if (signal.aborted) return
        this.#trouble = `the lease ${this.#options.name} cannot be had: ${(error as Error).message}`
        if (failures > 0)
          this.#options.log.warn({ error: this.#trouble }, 'no leader; trying again')
        await backOff(failures++, signal)
      }
    }
  }

  /** Works while the lease is renewed. */
  async #hold(): Promise<void> {
    const { log, holder, name } = this.#options
    log.info({ lease: name, holder }, 'this controller leads')
    const lost = new AbortController()
    const signal = AbortSignal.any([this.#stop.signal, lost.signal])
    const renewing = this.#renew(signal).finally(() => lost.abort())
    try {
      await this.#options.work(signal)
    } finally {
      lost.abort()
      await renewing
      await this.#release()
      log.info({ lease: name, holder }, 'this controller leads no more')
    }
  }

  /** Resolves when the lease is another one's, or ran out because the server does not answer. */
  async #renew(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#durationMs / 3, signal)
      for (let failures = 0; !signal.aborted; failures += 1) {
        try {
          if (!(await this.#take())) return
          break
        } catch (error) {
          if (performance.now() - this.#renewedAt > this.#durationMs) {
            this.#trouble = `the lease could not be renewed: ${(error as Error).message}`
            return
          }
          await backOff(failures, signal)
        }
      }
    }
  }

  /** True when the lease is ours for another while. Rejects when the server gives no clear answer. */
  async #take(): Promise<boolean> {
    const current = await this.#look()
    if (current === undefined) return this.#write('POST', this.#path, { transitions: 0 })
    const isOurs = current.holder === this.#options.holder
    const isFree = current.holder === '' || performance.now() - current.since > this.#durationMs
    if (!isOurs && !isFree) {
      this.#trouble = undefined
      return false
    }
    return this.#write('PUT', `${this.#path}/${this.#options.name}`, {
      resourceVersion: current.resourceVersion,
      transitions: current.transitions + (isOurs ? 0 : 1),
    })
  }

  async #look(): Promise<SeenLease | undefined> {
    const path = `${this.#path}/${this.#options.name}`
    const { status, body } = await this.#options.api.ask('GET', path, { signal: this.#soon() })
    if (status === 404) return undefined
    if (status !== 200) throw new RefusedError(status, body)
    const metadata = isRecord(body['metadata']) ? body['metadata'] : {}
    const spec = isRecord(body['spec']) ? body['spec'] : {}
    const resourceVersion = String(metadata['resourceVersion'])
    if (this.#seen?.resourceVersion !== resourceVersion) {
      this.#seen = {
        resourceVersion,
        holder: typeof spec['holderIdentity'] === 'string' ? spec['holderIdentity'] : '',
        transitions: Number(spec['leaseTransitions'] ?? 0),
        since: performance.now(),
      }
    }
    return this.#seen
  }

  /** False when somebody else was faster. */
  async #write(
    method: 'POST' | 'PUT',
    path: string,
    at: { resourceVersion?: string; transitions: number },
    holder = this.#options.holder,
  ): Promise<boolean> {
    const askedAt = performance.now()
    const question = { body: this.#body(at, holder), signal: this.#soon() }
    const answer = await this.#options.api.ask(method, path, question)
    this.#trouble = undefined
    if (answer.status === 409) return false
    if (!isDone(answer)) throw new RefusedError(answer.status, answer.body)
    this.#renewedAt = askedAt
    return true
  }

  #body(
    { resourceVersion, transitions }: { resourceVersion?: string; transitions: number },
    holder: string,
  ): Record<string, unknown> {
    const { namespace, name } = this.#options
    const now = new Date().toISOString().replace('Z', '000Z')
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace, name, ...(resourceVersion ? { resourceVersion } : {}) },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: Math.ceil(this.#durationMs / 1_000),
        renewTime: now,
        leaseTransitions: transitions,
      },
    }
  }

  /** A renewal that hangs for longer would come too late. */
  #soon(): AbortSignal {
    return AbortSignal.timeout(this.#durationMs / 3)
  }

  async #release(): Promise<void> {
    try {
      const current = await this.#look()
      if (current?.holder !== this.#options.holder) return
      await this.#write('PUT', `${this.#path}/${this.#options.name}`, current, '')
    } catch {
      // It runs out by itself.
    }
  }
}

function isDone({ status }: Answer): boolean {
  return status === 200 || status === 201
}
