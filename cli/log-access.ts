/**
 * The log that an operator command reads and writes: of the runtime that runs in this folder, of the one behind
 * `--admin`, of Kafka, or the embedded log's own files while nothing runs.
 */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { adminClient } from '../runtime/admin/client.ts'
import { brokerWriter } from '../runtime/admin/broker-writer.ts'
import type { DeliveryQuery, TriggersAnswer } from '../runtime/admin/protocol.ts'
import type { Config } from '../runtime/config/schema.ts'
import type { Broker } from '../runtime/contract/broker.ts'
import type { DeliveryTrace } from '../runtime/contract/history.ts'
import type { Log } from '../runtime/contract/log-access.ts'
import type { Topology } from '../runtime/contract/topology.ts'
import { MillraceError } from '../runtime/errors.ts'
import { readRuntimeFile } from '../runtime/runtime-file.ts'

export interface LogAccess extends Log {
  /** What a running runtime knows of its triggers; undefined when none was reached. */
  live: (() => Promise<TriggersAnswer>) | undefined
  /** What a running runtime serves; undefined when none was reached. */
  topology: (() => Promise<Topology>) | undefined
  /** What a running runtime remembers of one delivery; undefined when none was reached. */
  delivery: ((query: DeliveryQuery) => Promise<DeliveryTrace | undefined>) | undefined
  close(): Promise<void>
}

export interface AccessOptions {
  projectDir: string
  config: Config
  /** Path of an admin socket. */
  admin?: string
}

export async function openLogAccess(options: AccessOptions): Promise<LogAccess> {
  const { config, projectDir } = options
  const running = options.admin ?? (await readRuntimeFile(projectDir))?.admin
  if (running !== undefined) {
    const client = adminClient(running)
    return {
      reader: client,
      writer: client,
      live: () => client.triggers(),
      topology: () => client.topology(),
      delivery: (query) => client.delivery(query),
      close: async () => {},
    }
  }
  // Only what opens a log itself needs the logger, and with it pino.
  const { createLogger } = await import('../runtime/telemetry/log.ts')
  const log = createLogger({ level: 'error', format: 'pretty' })
  if (config.brokers.length > 0) {
    const { createKafkaBroker } = await import('../runtime/broker/kafka/broker.ts')
    const broker = await createKafkaBroker({
      bootstrap: [...config.brokers],
      clientId: 'millrace-fn',
      log,
    })
    return directAccess(broker)
  }
  const dir = resolve(projectDir, config.data)
  if ((await stat(dir).catch(() => undefined)) === undefined) {
    throw new MillraceError(
      'FN_CLI_NOT_REACHABLE',
      `no runtime runs in ${projectDir} and there is no log in ${dir}; ` +
        'start one with npm start, change to its folder, or name Kafka with --brokers HOST:PORT',
    )
  }
  const { createEmbeddedBroker } = await import('../runtime/broker/embedded/broker.ts')
  const broker = await createEmbeddedBroker({ dir, log })
  return directAccess(broker)
}

function directAccess(broker: Broker): LogAccess {
  return {
    reader: broker,
    writer: brokerWriter(broker),
    live: undefined,
    topology: undefined,
    delivery: undefined,
    close: () => broker.close(),
  }
}
