/** Kafka's error codes that the driver decides by (Kafka protocol guide, "Error Codes"). */
import { protocolErrorsCodesById } from '@platformatic/kafka'

export const CODE = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeaderOrFollower: 6,
  messageTooLarge: 10,
  offsetMetadataTooLarge: 12,
  coordinatorLoadInProgress: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  invalidTopic: 17,
  illegalGeneration: 22,
  unknownMemberId: 25,
  rebalanceInProgress: 27,
  topicAlreadyExists: 36,
  invalidProducerEpoch: 47,
  invalidProducerIdMapping: 49,
  concurrentTransactions: 51,
  memberIdRequired: 79,
  unstableOffsetCommit: 88,
  producerFenced: 90,
  transactionalIdNotFound: 105,
} as const

/** The answer names another leader than the one asked, or none: metadata is stale. */
const STALE_LEADER = new Set([
  CODE.unknownTopicOrPartition,
  CODE.leaderNotAvailable,
  CODE.notLeaderOrFollower,
  /* REPLICA_NOT_AVAILABLE */ 9,
  /* KAFKA_STORAGE_ERROR */ 56,
  /* FENCED_LEADER_EPOCH */ 74,
  /* UNKNOWN_LEADER_EPOCH */ 76,
])

/** Asking again, with nothing changed, may succeed. */
const TRANSIENT = new Set([
  ...STALE_LEADER,
  /* CORRUPT_MESSAGE, on the way */ 2,
  /* REQUEST_TIMED_OUT */ 7,
  /* BROKER_NOT_AVAILABLE */ 8,
  /* NETWORK_EXCEPTION */ 13,
  CODE.coordinatorLoadInProgress,
  CODE.coordinatorNotAvailable,
  CODE.notCoordinator,
  /* NOT_ENOUGH_REPLICAS */ 19,
  /* NOT_ENOUGH_REPLICAS_AFTER_APPEND */ 20,
  /* NOT_CONTROLLER */ 41,
  // The transaction before is not ended everywhere yet.
  CODE.concurrentTransactions,
  /* OFFSET_NOT_AVAILABLE */ 78,
  // A transaction is about to commit the offset.
  CODE.unstableOffsetCommit,
  /* THROTTLING_QUOTA_EXCEEDED */ 89,
])

export function isStaleLeader(code: number): boolean {
  return STALE_LEADER.has(code)
}

export function isTransient(code: number): boolean {
  return TRANSIENT.has(code)
}

/** Another owner has the transactional id, or the broker has ended the transaction by its timeout. */
const FENCED = new Set<number>([
  CODE.invalidProducerEpoch,
  CODE.invalidProducerIdMapping,
  CODE.producerFenced,
  CODE.transactionalIdNotFound,
])

export function isFenced(code: number): boolean {
  return FENCED.has(code)
}

export function isStaleCoordinator(code: number): boolean {
  return code === CODE.coordinatorNotAvailable || code === CODE.notCoordinator
}

/** Kafka's own name of the code, for messages. */
export function codeName(code: number): string {
  return (protocolErrorsCodesById as Record<number, string>)[code] ?? `error ${code}`
}
