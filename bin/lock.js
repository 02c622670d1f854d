import { createHash } from 'node:crypto'
import { connect, createServer } from 'node:net'

/**
 * Runs `work` while no other process on this machine runs work of the same name.
 *
 * The lock is a socket in Linux's abstract namespace: the kernel frees it when its holder dies, however
 * that happens, so there is no stale lock to find and break.
 */
export async function withLock(name, work, onWait = () => {}) {
  const path = `\0millrace-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`
  let server = await tryListen(path)
  if (server === 'taken') onWait()
  while (server === 'taken') {
    await untilFreed(path)
    server = await tryListen(path)
  }
  try {
    return await work()
  } finally {
    await server?.release()
  }
}

/** The held lock, `'taken'`, or undefined where this kernel or Node has no abstract sockets. */
function tryListen(path) {
  return new Promise((resolve) => {
    const waiting = new Set()
    const server = createServer((socket) => {
      waiting.add(socket)
      socket.on('error', () => waiting.delete(socket))
    })
    const release = () =>
      new Promise((released) => {
        server.close(released)
        for (const socket of waiting) socket.destroy()
      })
    server.on('error', (error) => resolve(error.code === 'EADDRINUSE' ? 'taken' : undefined))
    server.listen({ path }, () => resolve({ release }))
  })
}

/** Holds a connection to the lock's owner until it ends. */
function untilFreed(path) {
  return new Promise((resolve) => {
    const socket = connect({ path })
    // Refused: freed between the two calls. Reset: freed by the owner's death. `close` follows both.
    socket.on('error', () => {})
    socket.on('close', resolve)
    socket.resume()
  })
}
