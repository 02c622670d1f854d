/** A way to a server that a test can shut: nothing is refused meanwhile, and nothing comes through. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface Gate {
  readonly port: number
  /** Ends all connections; new ones wait until it opens. */
  shut(): void
  open(): void
  close(): Promise<void>
}

/** Before `127.0.0.1:target`; open at first. */
export async function startGate(target: number): Promise<Gate> {
  const sockets = new Set<Socket>()
  const waiting = new Set<Socket>()
  let isOpen = true
  const server = createServer((client) => {
    track(client)
    if (isOpen) handOn(client)
    else waiting.add(client)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')

  function track(socket: Socket): void {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      sockets.delete(socket)
      waiting.delete(socket)
    })
  }

  function handOn(client: Socket): void {
    const far = connect(target, '127.0.0.1')
    track(far)
    far.on('close', () => client.destroy())
    client.on('close', () => far.destroy())
    client.pipe(far).pipe(client)
  }

  function endAll(): void {
    for (const socket of sockets) socket.destroy()
  }

  return {
    port: (server.address() as AddressInfo).port,
    shut() {
      isOpen = false
      endAll()
    },
    open() {
      isOpen = true
      for (const client of waiting) handOn(client)
      waiting.clear()
    },
    async close() {
      endAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
