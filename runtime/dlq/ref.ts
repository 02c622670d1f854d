/** `topic/partition/offset`: how people and headers name one record. */
import type { TopicPartition } from '../contract/broker.ts'

export interface RecordPlace extends TopicPartition {
  offset: number
}

export function refOf({ topic, partition }: TopicPartition, offset: number): string {
  return `${topic}/${partition}/${offset}`
}

/** Undefined for what is no ref. Topic names hold no slash. */
export function parseRef(text: string): RecordPlace | undefined {
  const parts = /^([^/]+)\/(\d{1,10})\/(\d{1,16})$/.exec(text)
  if (parts === null) return undefined
  const [, topic, partition, offset] = parts
  return { topic: topic as string, partition: Number(partition), offset: Number(offset) }
}
