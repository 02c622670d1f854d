/** Harm to the runtime's own processes. */
import type { Member } from '../deployment.ts'
import type { Mode, Scene } from '../scene.ts'

const LOADED_START_MS = 2_000

/** SIGKILL at random points; the same folder starts again at once. */
export const kill: Mode = {
  name: 'kill',
  drivers: ['kafka', 'embedded'],
  times: 50,
  run: (scene) => endAndStart(scene, 'SIGKILL'),
}

/** As an orchestrator ends a process, under load. */
export const term: Mode = {
  name: 'term',
  drivers: ['kafka', 'embedded'],
  times: 10,
  run: (scene) => endAndStart(scene, 'SIGTERM'),
}

async function endAndStart(scene: Scene, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const { times } = scene.parts
  let member = onlyMember(scene)
  for (let i = 0; i < times; i++) {
    await scene.catchUp()
    await scene.pause(1_000, 2_500)
    await scene.underLoad()
    member = await scene.harm(signal === 'SIGKILL' ? 'kill' : 'term', async () => {
      await member.end(signal)
      return startWithin(scene, LOADED_START_MS)
    })
  }
  await scene.flows()
}

/** A killed member keeps its partitions for ten seconds; no more than two of load wait for the next. */
async function startWithin({ parts }: Scene, loadedMs: number): Promise<Member> {
  const pause = setTimeout(() => parts.load.pause(), loadedMs)
  try {
    return await parts.deployment.start()
  } finally {
    clearTimeout(pause)
    parts.load.goOn()
  }
}

/**
 * Frozen past its session's end, a process wakes up as a zombie: another one has its partitions, and it
 * still holds results. With few commits it is nearly always caught between its last send and its commit.
 */
export const freeze: Mode = {
  name: 'freeze',
  drivers: ['kafka'],
  times: 5,
  settings: (usual) => ({ ...usual, flags: ['--commit-interval-ms', '2000'] }),
  async run(scene) {
    const { deployment, random, times } = scene.parts
    const first = onlyMember(scene)
    const second = await scene.harm('member joined', async () => {
      const member = await deployment.start(1)
      await deployment.owns(member, (partitions) => partitions > 0)
      return member
    })
    for (let i = 0; i < times; i++) {
      await scene.catchUp()
      await scene.pause(500, 2_000)
      await scene.underLoad()
      const victim = random.of([first, second])
      const heir = victim === first ? second : first
      // Alone, its workers go on and fill its pipe; with them, everything stands still.
      const target = random.of([victim.runtime.pid, -victim.runtime.pid])
      await scene.harm('freeze', async () => {
        const owned = heir.scraper.latest.assignedPartitions
        process.kill(target, 'SIGSTOP')
        try {
          await deployment.owns(heir, (partitions) => partitions > owned)
          await scene.pause(500, 2_000)
        } finally {
          process.kill(target, 'SIGCONT')
        }
        await deployment.owns(heir, (partitions) => partitions === owned)
      })
    }
  },
}

/** Processes come and go; two folders beside the first one, which stays. */
export const members: Mode = {
  name: 'members',
  drivers: ['kafka'],
  times: 20,
  async run(scene) {
    const { deployment, random, times } = scene.parts
    const guests: Array<Member | undefined> = [undefined, undefined]
    for (let i = 0; i < times; i++) {
      await scene.catchUp()
      await scene.pause(500, 2_500)
      await scene.underLoad()
      const place = random.between(0, guests.length - 1)
      const guest = guests[place]
      if (guest === undefined) {
        guests[place] = await scene.harm('member joined', () => deployment.start(place + 1))
      } else {
        const signal = random.of<'SIGTERM' | 'SIGKILL'>([
          'SIGTERM',
          'SIGTERM',
          'SIGTERM',
          'SIGKILL',
        ])
        await scene.harm('member left', () => guest.end(signal))
        guests[place] = undefined
      }
    }
  },
}

function onlyMember({ parts }: Scene): Member {
  const [member] = parts.deployment.running
  if (member === undefined) throw new Error('no process runs')
  return member
}
