/** The tables of the embedded log, as calls. Runs in the log's thread. */
import type { DatabaseSync } from 'node:sqlite'
import type { CommitRow, CommittedRow, LogCalls, OpenedLog, TopicRow } from './messages.ts'
import { FrameWriter, eachEntry } from './record-frame.ts'
import type { Frame } from './record-frame.ts'

/** So many offsets share one row that says how late their latest timestamp is. */
export const BLOCK_OFFSETS = 1024
/** As much as the largest event. */
const PROBE_BYTES = 1 << 20
const FIRST_FRAME_BYTES = 65_536

export interface StoredPartition {
  id: number
  topic: string
  start: number
  end: number
}

/** What one transaction adds to a partition. */
interface Added {
  end: number
  bytes: number
  /** Block → its latest timestamp. */
  blocks: Map<number, number>
}

export class LogStore {
  readonly db: DatabaseSync
  readonly partitions = new Map<number, StoredPartition>()
  readonly configs = new Map<string, Record<string, string>>()
  readonly #topics = new Map<string, TopicRow>()
  readonly #statements: ReturnType<typeof prepareAll>

  constructor(db: DatabaseSync) {
    this.db = db
    this.#statements = prepareAll(db)
    for (const row of this.#statements.topics.all()) {
      this.#load(String(row['topic']), String(row['config']))
    }
  }

  opened(generation: number): OpenedLog {
    return { topics: [...this.#topics.values()], generation }
  }

  ensureTopic({ topic, partitions, config }: LogCalls['ensureTopic']['ask']): TopicRow {
    const text = JSON.stringify(config)
    const found = this.#topics.get(topic)
    if (found) return found
    this.transaction(() => {
      this.#statements.addTopic.run(topic, partitions, text)
      for (let number = 0; number < partitions; number++) {
        this.#statements.addPartition.run(topic, number)
      }
    })
    return this.#load(topic, text)
  }

  write({ frame, commits }: LogCalls['write']['ask']): void {
    const added = new Map<number, Added>()
    this.transaction(() => {
      if (frame) this.#insert(frame, added)
      for (const commit of commits) this.#commit(commit)
    })
    for (const [id, { end }] of added) this.partition(id).end = end
  }

  /** No frame: `from` is below the start. */
  read({ partitionId, from, maxBytes }: LogCalls['read']['ask']): LogCalls['read']['answer'] {
    const { start, end } = this.partition(partitionId)
    if (from < start) return { frame: undefined, next: from, start }
    const writer = new FrameWriter(FIRST_FRAME_BYTES)
    for (const row of this.#statements.read.iterate(partitionId, from)) {
      const [offset, timestamp, blob] = row as unknown as [number, number, Uint8Array]
      if (writer.length > 0 && writer.length + blob.length > maxBytes) {
        return { frame: writer.finish(), next: offset, start }
      }
      writer.writeBlob(partitionId, offset, blob, timestamp)
    }
    return { frame: writer.finish(), next: end, start }
  }

  committed({
    group,
    partitionIds,
  }: LogCalls['committed']['ask']): Array<CommittedRow | undefined> {
    return partitionIds.map((id) => {
      const row = this.#statements.committed.get(group, id)
      return row && { offset: Number(row['offset']), metadata: String(row['metadata']) }
    })
  }

  /** Skips whole blocks whose latest record is older, then looks at records. */
  offsetAt(partitionId: number, timeMs: number): number | undefined {
    const block = this.#statements.firstBlock.get(partitionId, timeMs)
    if (!block) return undefined
    const from = Number(block['block']) * BLOCK_OFFSETS
    const row = this.#statements.firstAt.get(partitionId, from, timeMs)
    return row && Number(row['offset'])
  }

  /** Writes as an append would: enough to meet a disk that is still full. */
  probe(): void {
    this.transaction(() => this.#statements.probe.run(PROBE_BYTES))
  }

  partition(id: number): StoredPartition {
    const partition = this.partitions.get(id)
    if (!partition) throw new Error(`The embedded log has no partition with the id ${id}`)
    return partition
  }

  /** All or nothing, synced to disk when it returns. */
  transaction(work: () => void): void {
    this.db.exec('begin immediate')
    try {
      work()
      this.db.exec('commit')
    } catch (error) {
      // SQLite ends the transaction by itself after some errors, such as a full disk.
      if (this.db.isTransaction) this.db.exec('rollback')
      throw error
    }
  }

  #insert(frame: Frame, added: Map<number, Added>): void {
    const { insert, addBytes, raiseBlock } = this.#statements
    eachEntry(frame, (partitionId, offset, blob, timestamp) => {
      insert.run(partitionId, offset, timestamp, blob)
      let to = added.get(partitionId)
      if (!to) added.set(partitionId, (to = { end: 0, bytes: 0, blocks: new Map() }))
      to.end = offset + 1
      to.bytes += blob.length
      const block = Math.floor(offset / BLOCK_OFFSETS)
      to.blocks.set(block, Math.max(to.blocks.get(block) ?? timestamp, timestamp))
    })
    for (const [id, { bytes, blocks }] of added) {
      addBytes.run(bytes, id)
      for (const [block, latest] of blocks) raiseBlock.run(id, block, latest)
    }
  }

  #commit({ group, partitionId, offset, metadata }: CommitRow): void {
    this.#statements.commit.run(group, partitionId, offset, metadata)
  }

  #load(topic: string, config: string): TopicRow {
    const partitions = this.#statements.partitionsOf.all(topic).map((row) => ({
      id: Number(row['id']),
      start: Number(row['start']),
      end: Number(row['end']),
    }))
    for (const row of partitions) this.partitions.set(row.id, { topic, ...row })
    this.configs.set(topic, JSON.parse(config) as Record<string, string>)
    const loaded = { topic, partitions }
    this.#topics.set(topic, loaded)
    return loaded
  }
}

function prepareAll(db: DatabaseSync) {
  const read = db.prepare(
    'select offset, timestamp, data from records where partition = ? and offset >= ? order by offset',
  )
  read.setReturnArrays(true)
  return {
    read,
    topics: db.prepare('select topic, config from topics order by topic'),
    // The start outlives the records, so that offsets are never given twice.
    partitionsOf: db.prepare(
      `select id, start, max(start, 1 + coalesce(
          (select max(offset) from records where partition = partitions.id), -1)) as end
        from partitions where topic = ? order by number`,
    ),
    addTopic: db.prepare('insert into topics values (?, ?, ?)'),
    addPartition: db.prepare('insert into partitions (topic, number) values (?, ?)'),
    insert: db.prepare('insert into records values (?, ?, ?, ?)'),
    addBytes: db.prepare('update partitions set bytes = bytes + ? where id = ?'),
    raiseBlock: db.prepare(
      `insert into blocks values (?, ?, ?)
        on conflict do update set latest = max(latest, excluded.latest)`,
    ),
    commit: db.prepare(
      `insert into commits values (?, ?, ?, ?)
        on conflict do update set offset = excluded.offset, metadata = excluded.metadata`,
    ),
    committed: db.prepare(
      'select offset, metadata from commits where consumer_group = ? and partition = ?',
    ),
    firstBlock: db.prepare(
      'select block from blocks where partition = ? and latest >= ? order by block limit 1',
    ),
    firstAt: db.prepare(
      `select offset from records where partition = ? and offset >= ? and timestamp >= ?
        order by offset limit 1`,
    ),
    probe: db.prepare("insert or replace into meta values ('probe', zeroblob(?))"),
  }
}
