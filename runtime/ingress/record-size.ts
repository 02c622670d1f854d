import type { AppendRecord, Bytes } from '../contract/broker.ts'

/** The bytes of a record that come from its event: key, value, headers. Not the log's own framing. */
export function recordBytes(record: AppendRecord): number {
  let bytes = lengthOf(record.key) + lengthOf(record.value)
  for (const [name, value] of record.headers) bytes += lengthOf(name) + lengthOf(value)
  return bytes
}

function lengthOf(bytes: Bytes | null): number {
  if (bytes === null) return 0
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length
}
