/**
 * The worker process: isolates behind a socket on descriptor 3. It has no file access but to its own
 * code, an empty environment, and ends by SIGKILL only: an exit with a stuck isolate hangs or crashes.
 */
import { isAscii } from 'node:buffer'
import { Socket } from 'node:net'
import type { FromWorker, ToWorker } from '../contract/worker-messages.ts'
import { FrameReader, encodeFrame, openFrame, type Frame } from './frames.ts'
import { FunctionHost } from './function-host.ts'
import type { CachedScript } from './guest.ts'
import { KERNEL_FILE } from './kernel-protocol.ts'

const MAX_FRAME_BYTES = 256 * 1024 * 1024

const socket = new Socket({ fd: 3, readable: true, writable: true })
const hosts = new Map<number, FunctionHost>()
let kernel: CachedScript = { code: '', file: KERNEL_FILE }

// A Ctrl-C in a terminal reaches the whole process group. When a worker ends is the supervisor's to say:
// first what runs is finished.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

function end(): never {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('unreachable')
}

function send(message: FromWorker, payload?: Buffer): void {
  socket.write(encodeFrame(message, payload))
}

function answer(id: number, rows: string, texts: string): void {
  const rowsBytes = Buffer.byteLength(rows)
  const message: FromWorker = { type: 'results', function: id, rowsBytes }
  const [frame, at] = openFrame(message, rowsBytes + Buffer.byteLength(texts))
  frame.write(rows, at, 'utf8')
  frame.write(texts, at + rowsBytes, 'utf8')
  socket.write(frame)
}

function take({ header, payload }: Frame): void {
  const message = header as ToWorker
  switch (message.type) {
    case 'boot':
      kernel = { code: payload.toString('utf8'), file: KERNEL_FILE }
      return send({ type: 'ready' })
    case 'load': {
      const host = new FunctionHost({
        function: message.function,
        kernel,
        bundle: { code: payload.toString('utf8'), file: message.name },
        limits: message.limits,
        send,
        answer,
      })
      if (message.probe) return void host.probe()
      hosts.set(message.function, host)
      return void host.load()
    }
    case 'events': {
      // One byte a character where it can be: half the memory, and no decoding.
      const text = isAscii(payload) ? payload.toString('latin1') : payload.toString('utf8')
      const { slots, headerUnits } = message
      return hosts.get(message.function)?.deliver({ slots, headerUnits, text })
    }
    case 'unload':
      hosts.get(message.function)?.close()
      hosts.delete(message.function)
      return
    case 'ping':
      return send({ type: 'pong', seq: message.seq })
    default:
      return message satisfies never
  }
}

const reader = new FrameReader(MAX_FRAME_BYTES)
socket.on('data', (chunk: Buffer) => reader.push(chunk, take))
// Without its supervisor a worker has nothing to live for.
socket.on('error', end)
socket.on('close', end)
process.on('uncaughtException', (error) => {
  process.stderr.write(`${error.stack ?? error.message}\n`, end)
})
