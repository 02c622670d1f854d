/** The thread that owns the database: commits block it, and nothing else. */
import { parentPort } from 'node:worker_threads'
import { isMillraceError } from '../../errors.ts'
import { openDatabase } from './database.ts'
import type { OpenDatabase } from './database.ts'
import { LogStore } from './log-store.ts'
import { Maintenance } from './maintenance.ts'
import type { LogCallName, LogCalls, LogFault, LogReply, LogRequest } from './messages.ts'

interface OpenLog {
  database: OpenDatabase
  store: LogStore
  maintenance: Maintenance
}

if (parentPort) serve(parentPort)

function serve(port: NonNullable<typeof parentPort>): void {
  let log: OpenLog | undefined
  const reply = (message: LogReply, memory: ArrayBuffer[] = []): void => {
    port.postMessage(message, memory)
  }
  port.on('message', (request: LogRequest) => {
    const { id } = request
    try {
      if (request.name === 'open') {
        log = open(request.ask)
        reply({ id, ok: true, answer: log.store.opened(log.database.generation) })
      } else if (!log) {
        throw new Error('The embedded log is not open')
      } else {
        const answer = perform(log, request)
        reply({ id, ok: true, answer }, memoryOf(request.name, answer))
        if (request.name === 'close') port.close()
      }
    } catch (error) {
      reply({ id, ok: false, fault: faultOf(error) })
    }
  })
}

function open({ dir, ...defaults }: LogCalls['open']['ask']): OpenLog {
  const database = openDatabase(dir)
  const store = new LogStore(database.db)
  return { database, store, maintenance: new Maintenance(store, defaults) }
}

function perform(
  { database, store, maintenance }: OpenLog,
  request: Exclude<LogRequest, { name: 'open' }>,
): LogCalls[LogCallName]['answer'] {
  switch (request.name) {
    case 'write':
      return store.write(request.ask)
    case 'read':
      return store.read(request.ask)
    case 'ensureTopic':
      return store.ensureTopic(request.ask)
    case 'committed':
      return store.committed(request.ask)
    case 'offsetsAt': {
      const { partitionIds, timeMs } = request.ask
      return partitionIds.map((id) => store.offsetAt(id, timeMs))
    }
    case 'maintain':
      return maintenance.run(request.ask.nowMs)
    case 'probe':
      return store.probe()
    case 'close':
      return database.close()
  }
}

/** A batch of records is handed over instead of copied. */
function memoryOf(name: LogCallName, answer: LogCalls[LogCallName]['answer']): ArrayBuffer[] {
  if (name !== 'read') return []
  const { frame } = answer as LogCalls['read']['answer']
  return frame ? [frame.memory] : []
}

function faultOf(error: unknown): LogFault {
  if (isMillraceError(error)) {
    return { message: error.message, code: error.code, detail: error.detail }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { message, code: 'FN_BROKER_UNAVAILABLE', detail: {} }
}
