/**
 * What every driver of the broker contract must do (`runtime/contract/broker.ts`). A driver's test file
 * calls `brokerContract` with a way to open it; each test opens its own broker and uses topics and
 * groups of its own names, so the log behind it may be shared and old.
 */
import { describe } from 'node:test'
import { appendContract } from './broker-contract/append.ts'
import { commitContract } from './broker-contract/commit.ts'
import { lifecycleContract } from './broker-contract/lifecycle.ts'
import { membershipContract } from './broker-contract/membership.ts'
import type { OpenBroker } from './broker-contract/opening.ts'
import { readContract } from './broker-contract/read.ts'
import { fencingContract } from './broker-contract/transaction-fencing.ts'
import { transactionContract } from './broker-contract/transactions.ts'

export interface BrokerContractOptions {
  /** Why the suite cannot run here, or false. */
  skip?: string | false
}

export function brokerContract(
  name: string,
  open: OpenBroker,
  { skip = false }: BrokerContractOptions = {},
): void {
  describe(`The broker contract on ${name}`, { skip }, () => {
    describe('append', () => appendContract(open))
    describe('read', () => readContract(open))
    describe('commit', () => commitContract(open))
    describe('membership', () => membershipContract(open))
    describe('transactions', () => transactionContract(open))
    describe('fencing', () => fencingContract(open))
    describe('lifecycle', () => lifecycleContract(open))
  })
}
