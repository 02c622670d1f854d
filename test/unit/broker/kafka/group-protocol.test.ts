import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AssignerProtocol } from 'kafkajs'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../../runtime/broker/kafka/group-protocol.ts'

const PARTITIONS = [
  { topic: 'a', partition: 0 },
  { topic: 'a', partition: 2 },
  { topic: 'größe', partition: 1 },
]

test('A subscription says topics, what is owned, and since when', () => {
  const subscription = { topics: ['a', 'größe'], owned: PARTITIONS, generation: 17 }
  assert.deepEqual(decodeSubscription(encodeSubscription(subscription)), subscription)
})

test('A subscription of version 0, without what is owned, is read', () => {
  const bytes = AssignerProtocol.MemberMetadata.encode({
    version: 0,
    topics: ['a'],
    userData: Buffer.alloc(0),
  })
  assert.deepEqual(decodeSubscription(bytes), { topics: ['a'], owned: [], generation: -1 })
})

test('An assignment is written as other clients read it', () => {
  const bytes = encodeAssignment(PARTITIONS)
  assert.deepEqual(decodeAssignment(bytes), PARTITIONS)
  const read = AssignerProtocol.MemberAssignment.decode(bytes)
  assert.deepEqual(read?.assignment, { a: [0, 2], größe: [1] })
  assert.deepEqual(decodeAssignment(Buffer.alloc(0)), [])
})
