/**
 * A TCP proxy before a Kafka broker that understands frames just enough to cut a connection before a
 * request is handed on, or after the broker has worked on it and before its answer is.
 */
import { connect, createServer, type Socket } from 'node:net'

export interface ProxyFrame {
  /** Kafka's number of the request: 0 is Produce, 1 is Fetch. */
  apiKey: number
  direction: 'request' | 'answer'
}

export interface FlakyProxy {
  readonly port: number
  /** `host:port` that connections are handed on to. */
  target: string
  /** Asked for each frame; true cuts the connection instead of handing the frame on. */
  cut: (frame: ProxyFrame) => boolean
  /** How many connections were cut. */
  readonly cuts: number
  close: () => Promise<void>
}

export const PRODUCE = 0

export async function startFlakyProxy(): Promise<FlakyProxy> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const [host, port] = proxy.target.split(':') as [string, string]
    const broker = connect({ host, port: Number(port) })
    const apiKeys = new Map<number, number>()
    const end = (): void => {
      client.destroy()
      broker.destroy()
    }
    for (const socket of [client, broker]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      // The other half tells its own end; here it is enough to end both.
      socket.on('error', end)
      socket.on('close', () => {
        sockets.delete(socket)
        end()
      })
    }
    const cutting = (apiKey: number, direction: ProxyFrame['direction']): boolean => {
      if (!proxy.cut({ apiKey, direction })) return false
      cuts++
      end()
      return true
    }
    forwardFrames(client, broker, (frame) => {
      const apiKey = frame.readInt16BE(4)
      apiKeys.set(frame.readInt32BE(8), apiKey)
      return cutting(apiKey, 'request')
    })
    forwardFrames(broker, client, (frame) => {
      const correlationId = frame.readInt32BE(4)
      const apiKey = apiKeys.get(correlationId) ?? -1
      apiKeys.delete(correlationId)
      return cutting(apiKey, 'answer')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  let cuts = 0
  const proxy: FlakyProxy = {
    port: (server.address() as { port: number }).port,
    target: '',
    cut: () => false,
    get cuts() {
      return cuts
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}

/** Hands on whole frames, until `isCut` says of one that the connection ends there. */
function forwardFrames(from: Socket, to: Socket, isCut: (frame: Buffer) => boolean): void {
  let pending: Buffer = Buffer.alloc(0)
  from.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (pending.length >= 4) {
      const end = 4 + pending.readInt32BE(0)
      if (pending.length < end) return
      const frame = pending.subarray(0, end)
      pending = pending.subarray(end)
      if (isCut(frame)) return
      to.write(frame)
    }
  })
}
