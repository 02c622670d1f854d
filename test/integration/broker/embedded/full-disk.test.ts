import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const PROGRAM = new URL('../../../support/full-disk-program.ts', import.meta.url).pathname
// A user namespace of its own lets it mount without being root; the mount ends with the process.
const IN_SMALL_DISK = 'mount -t tmpfs -o size=40m tmpfs "$1" && shift && exec "$@"'

function runOnSmallDisk(command: readonly string[]): { status: number | null; output: string } {
  const mountPoint = mkdtempSync(join(tmpdir(), 'millrace-disk-'))
  try {
    const { status, stdout, stderr, error } = spawnSync(
      'unshare',
      ['-rm', 'sh', '-c', IN_SMALL_DISK, 'sh', mountPoint, ...command, mountPoint],
      { encoding: 'utf8', timeout: 240_000 },
    )
    return { status, output: error ? error.message : stdout + stderr }
  } finally {
    rmSync(mountPoint, { recursive: true, force: true })
  }
}

const { status, output } = runOnSmallDisk(['true'])
const skip =
  status === 0 ? false : `no file system of its own can be mounted here: ${output.trim()}`

test(
  'A full disk fails appends whole, and the log goes on when there is room again',
  { skip },
  () => {
    const ran = runOnSmallDisk([process.execPath, PROGRAM])
    assert.deepEqual([ran.status, ran.output], [0, 'pass\n'])
  },
)
