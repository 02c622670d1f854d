/** Retention and compaction of the embedded log, in pieces small enough to run between appends. */
import type { DatabaseSync } from 'node:sqlite'
import { BLOCK_OFFSETS } from './log-store.ts'
import type { LogStore, StoredPartition } from './log-store.ts'
import type { MaintenanceAnswer, RetentionDefaults } from './messages.ts'

const MAX_ROWS_A_PIECE = 5_000

interface Policy {
  deletes: boolean
  compacts: boolean
  retentionMs: number
  retentionBytes: number
}

export class Maintenance {
  readonly #store: LogStore
  readonly #defaults: RetentionDefaults
  readonly #statements: ReturnType<typeof prepareAll>

  constructor(store: LogStore, defaults: RetentionDefaults) {
    this.#store = store
    this.#defaults = defaults
    this.#statements = prepareAll(store.db)
  }

  /** Does one piece of work, if there is any. */
  run(nowMs: number): MaintenanceAnswer {
    for (const partition of this.#store.partitions.values()) {
      const policy = this.#policyOf(partition.topic)
      if (policy.deletes && this.#expire(partition, policy, nowMs)) {
        const { id, topic, start } = partition
        return { starts: [{ partitionId: id, topic, start }], more: true }
      }
      if (policy.compacts && this.#compact(partition)) return { starts: [], more: true }
    }
    return { starts: [], more: false }
  }

  #policyOf(topic: string): Policy {
    const config = this.#store.configs.get(topic) ?? {}
    const policies = (config['cleanup.policy'] ?? 'delete').split(',').map((text) => text.trim())
    return {
      deletes: policies.includes('delete'),
      compacts: policies.includes('compact'),
      retentionMs: Number(config['retention.ms'] ?? this.#defaults.retentionMs),
      retentionBytes: Number(config['retention.bytes'] ?? this.#defaults.retentionBytes),
    }
  }

  /** Moves the start over the records at the front that are too old or too many; true if it moved. */
  #expire(partition: StoredPartition, policy: Policy, nowMs: number): boolean {
    const { retentionMs, retentionBytes } = policy
    const keptFrom = retentionMs < 0 ? -Infinity : nowMs - retentionMs
    const bytes = Number(this.#statements.sizes.get(partition.id)?.['bytes'])
    const excessBytes = retentionBytes < 0 ? 0 : bytes - retentionBytes
    let freedBytes = 0
    let freedRows = 0
    // Past the end of the loop, holes that compaction left behind the last record go with it.
    let start = partition.end
    for (const row of this.#statements.front.iterate(partition.id)) {
      const { offset, timestamp, bytes: size } = row as unknown as Front
      const isKept = timestamp >= keptFrom && freedBytes >= excessBytes
      if (isKept || freedRows === MAX_ROWS_A_PIECE) {
        start = freedRows === 0 ? partition.start : offset
        break
      }
      freedBytes += size
      freedRows += 1
    }
    if (start === partition.start) return false
    this.#store.transaction(() => {
      this.#statements.deleteBelow.run(partition.id, start)
      this.#statements.deleteBlocksBelow.run(partition.id, Math.floor(start / BLOCK_OFFSETS))
      this.#statements.moveStart.run(start, freedBytes, partition.id)
    })
    partition.start = start
    return true
  }

  /** Keeps the last record of each key, once half as much came in as was left the last time. */
  #compact(partition: StoredPartition): boolean {
    const { cleaned_to: cleanedTo, cleaned_count: cleanedCount } = this.#statements.sizes.get(
      partition.id,
    ) as unknown as { cleaned_to: number; cleaned_count: number }
    const dirty = partition.end - Math.max(cleanedTo, partition.start)
    if (dirty <= 0 || dirty * 2 < cleanedCount) return false
    this.#store.transaction(() => {
      this.#statements.findLatest.run(partition.id)
      this.#statements.deleteOlder.run(partition.id)
      this.#statements.forgetLatest.run()
      this.#statements.cleaned.run(partition.end, partition.id)
    })
    return true
  }
}

interface Front {
  offset: number
  timestamp: number
  bytes: number
}

function prepareAll(db: DatabaseSync) {
  return {
    sizes: db.prepare('select bytes, cleaned_to, cleaned_count from partitions where id = ?'),
    front: db.prepare(
      `select offset, timestamp, length(data) as bytes from records
        where partition = ? order by offset`,
    ),
    deleteBelow: db.prepare('delete from records where partition = ? and offset < ?'),
    deleteBlocksBelow: db.prepare('delete from blocks where partition = ? and block < ?'),
    moveStart: db.prepare('update partitions set start = ?, bytes = bytes - ? where id = ?'),
    findLatest: db.prepare(
      `insert into latest select record_key(data) as key, max(offset) from records
        where partition = ? and key is not null group by key`,
    ),
    deleteOlder: db.prepare(
      `delete from records where partition = ?
        and offset < (select latest.offset from latest where latest.key = record_key(records.data))`,
    ),
    forgetLatest: db.prepare('delete from latest'),
    cleaned: db.prepare(
      `update partitions set cleaned_to = ?,
        (bytes, cleaned_count) = (select coalesce(sum(length(data)), 0), count(*)
          from records where partition = partitions.id) where id = ?`,
    ),
  }
}
