/**
 * A file system that can be full: a tmpfs in a mount namespace of its own, which a waiting process keeps
 * alive. Another process can be started in it, or reach it from outside by the waiting one's root;
 * SQLite cannot, because it resolves links by itself.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cleanup } from './cleanup.ts'

export interface SmallDisk {
  /** Where it lies for processes that are started in it. */
  inside: string
  /** Where it lies for all others. */
  outside: string
  /** The beginning of a command that is to run in it, in this folder. */
  enter(folder: string): string[]
  /** Writes until nothing more fits. */
  fill(): Promise<void>
  /** Removes what `fill` wrote. */
  makeRoom(): Promise<void>
}

// A user namespace of its own lets it mount without being root; it ends when its stdin does.
const HOLD = 'mount -t tmpfs -o size="$2" tmpfs "$1" && echo mounted && exec cat'
const CHUNK = Buffer.alloc(1 << 20)
const SMALL_CHUNK = Buffer.alloc(4 << 10)

export async function smallDisk(t: Cleanup, sizeMiB: number): Promise<SmallDisk> {
  const mountPoint = await mkdtemp(join(tmpdir(), 'millrace-disk-'))
  const holder = spawn('unshare', ['-rm', 'sh', '-c', HOLD, 'sh', mountPoint, `${sizeMiB}m`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.after(async () => {
    holder.kill('SIGKILL')
    await rmdir(mountPoint).catch(() => undefined) // a half-made one stays empty in the temp folder
  })
  const exited = once(holder, 'exit').then(() => {
    throw new Error('no file system of its own can be mounted here')
  })
  await Promise.race([once(holder.stdout, 'data'), exited])
  exited.catch(() => undefined) // it ends with the run
  const pid = String(holder.pid)
  const outside = join('/proc', pid, 'root', mountPoint)
  const ballast = join(outside, 'ballast')
  return {
    inside: mountPoint,
    outside,
    // Entering forgets the folder that the command was started in.
    enter: (folder) => [
      'nsenter',
      '--target',
      pid,
      '--user',
      '--mount',
      '--preserve-credentials',
      `--wdns=${folder}`,
    ],
    async fill() {
      const file = await open(ballast, 'a')
      try {
        for (const chunk of [CHUNK, SMALL_CHUNK]) while (await fits(file, chunk));
      } finally {
        await file.close()
      }
    },
    makeRoom: () => rm(ballast, { force: true }),
  }
}

async function fits(file: Awaited<ReturnType<typeof open>>, chunk: Buffer): Promise<boolean> {
  try {
    return (await file.write(chunk)).bytesWritten === chunk.length
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false
    throw error
  }
}
