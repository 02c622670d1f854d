/** Opens the database of the embedded log, alone: its settings, its tables, its lock. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MillraceError, isMillraceError } from '../../errors.ts'
import { keyOfBlob } from './record-frame.ts'

const SQLITE_BUSY = 5
const SYNCHRONOUS_FULL = 2
const LAYOUT_VERSION = 1
/** Rows up to a quarter of a page stay out of overflow pages. */
const PAGE_BYTES = 8192

// `blocks` finds a time without reading the records; see `LogStore.offsetAt`.
const TABLES = `
  create table if not exists meta (name text primary key, value) without rowid;
  create table if not exists topics (
    topic text primary key, partitions integer not null, config text not null
  ) without rowid;
  create table if not exists partitions (
    id integer primary key, topic text not null, number integer not null,
    start integer not null default 0, bytes integer not null default 0,
    cleaned_to integer not null default 0, cleaned_count integer not null default 0,
    unique (topic, number)
  );
  create table if not exists records (
    partition integer not null, offset integer not null, timestamp integer not null,
    data blob not null, primary key (partition, offset)
  ) without rowid;
  create table if not exists blocks (
    partition integer not null, block integer not null, latest integer not null,
    primary key (partition, block)
  ) without rowid;
  create table if not exists commits (
    consumer_group text not null, partition integer not null, offset integer not null,
    metadata text not null, primary key (consumer_group, partition)
  ) without rowid;
  create temp table latest (key blob primary key, offset integer not null) without rowid;
`

export interface OpenDatabase {
  db: DatabaseSync
  generation: number
  close: () => void
}

/** Throws `FN_BROKER_LOG_IN_USE` when another broker holds the directory, else `FN_BROKER_UNAVAILABLE`. */
export function openDatabase(dir: string): OpenDatabase {
  let db: DatabaseSync | undefined
  try {
    mkdirSync(dir, { recursive: true })
    db = new DatabaseSync(join(dir, 'log.db'), { timeout: 0 })
    return opened(db, dir)
  } catch (error) {
    db?.close()
    if (isMillraceError(error)) throw error
    throw isBusy(error) ? inUse(dir, error) : notOpened(dir, error)
  }
}

function opened(db: DatabaseSync, dir: string): OpenDatabase {
  const generation = prepare(db, dir)
  const pidFile = join(dir, 'log.pid')
  writeFileSync(pidFile, `${process.pid}\n`)
  const close = (): void => {
    rmSync(pidFile, { force: true })
    db.close()
  }
  return { db, generation, close }
}

function prepare(db: DatabaseSync, dir: string): number {
  // Exclusive before WAL: the index of the WAL then lives in memory, and nobody else gets in.
  db.exec(`pragma page_size = ${PAGE_BYTES};
    pragma locking_mode = exclusive;
    pragma journal_mode = wal;
    pragma synchronous = full;
    pragma cache_size = -32768;
    pragma journal_size_limit = 67108864`)
  assertPragma(db, 'synchronous', SYNCHRONOUS_FULL)
  assertPragma(db, 'journal_mode', 'wal')
  assertPragma(db, 'locking_mode', 'exclusive')
  // The first write takes the lock, so nothing is looked at before it.
  db.exec('begin immediate')
  assertLayout(db, dir)
  db.exec(TABLES)
  const row = db
    .prepare(
      `insert into meta values ('generation', 1)
        on conflict (name) do update set value = value + 1 returning value`,
    )
    .get()
  db.exec('commit')
  db.function('record_key', { deterministic: true }, (data) => keyOfBlob(data as Uint8Array))
  return Number(row?.['value'])
}

function assertPragma(db: DatabaseSync, name: string, expected: string | number): void {
  const actual = db.prepare(`pragma ${name}`).get()?.[name]
  if (actual === expected) return
  throw new MillraceError(
    'FN_BROKER_UNAVAILABLE',
    `The embedded log cannot promise durability here: SQLite's ${name} is ${String(actual)} instead of ${expected}. Put the data directory on a local disk`,
  )
}

function assertLayout(db: DatabaseSync, dir: string): void {
  const version = db.prepare('pragma user_version').get()?.['user_version']
  if (version === 0) db.exec(`pragma user_version = ${LAYOUT_VERSION}`)
  else if (version !== LAYOUT_VERSION) {
    throw new MillraceError(
      'FN_BROKER_UNAVAILABLE',
      `The embedded log in ${dir} has layout ${String(version)}, this version reads ${LAYOUT_VERSION}. Start the version that wrote it, or use another directory`,
    )
  }
}

function isBusy(error: unknown): boolean {
  // The low byte is the primary code.
  return (
    error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY
  )
}

function inUse(dir: string, cause: unknown): MillraceError {
  const pid = pidOfHolder(dir)
  const who = pid === undefined ? 'another process' : `process ${pid}`
  return new MillraceError(
    'FN_BROKER_LOG_IN_USE',
    `The embedded log in ${dir} is in use by ${who}. Stop it first, or give another data directory (--data DIR)`,
    { cause, detail: pid === undefined ? { dir } : { dir, pid } },
  )
}

function notOpened(dir: string, cause: unknown): MillraceError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new MillraceError(
    'FN_BROKER_UNAVAILABLE',
    `The embedded log in ${dir} cannot be opened: ${reason}. Check that the directory can be written and that its disk has room`,
    { cause },
  )
}

function pidOfHolder(dir: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(dir, 'log.pid'), 'utf8'))
    return pid > 0 ? pid : undefined
  } catch (error) {
    // Only ever a hint: the holder may not have written it yet.
    if (error instanceof Error) return undefined
    throw error
  }
}
