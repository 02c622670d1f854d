/**
 * Ports for programs that are told theirs, and bind them a while later. They are not those that the
 * system gives to sockets of its own choice: in between, a connection of any test could have one, and
 * one that tries again and again to reach such a port can even get hold of it itself.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Linux gives those from 32,768 on, others from 49,152. */
const FIRST = 12_000
/** Test files that run at once have pids that are near each other, and so different blocks. */
const BLOCKS = 200
const BLOCK_PORTS = 100

let taken = 0

/** On 127.0.0.1; no port twice in one process, until a block is through. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  for (let tries = 0; ports.length < count; tries++) {
    if (tries === BLOCK_PORTS) throw new Error(`no ${count} ports are free from ${block()} on`)
    const port = block() + (taken++ % BLOCK_PORTS)
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

function block(): number {
  return FIRST + (process.pid % BLOCKS) * BLOCK_PORTS
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return true
  } catch {
    return false // somebody has it
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}
