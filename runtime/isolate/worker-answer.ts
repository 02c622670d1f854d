/**
 * Checks what a worker sends like a stranger's input: a handler that broke out of its isolate writes to
 * the same socket. Whoever sees a throw from here kills the worker.
 */
import type { FromWorker } from '../contract/worker-messages.ts'
import { BadFrame } from './frames.ts'
import { MAX_SLOTS } from './marks.ts'

type Fields = Record<string, unknown>

const MAX_EXPORTS = 10_000
const MAX_TEXT = 16_384
const CAUSES = ['cpu', 'memory', 'evicted']

export function checkedMessage(header: unknown): FromWorker {
  if (typeof header !== 'object' || header === null) throw bad('a header that is no object')
  const fields = header as Fields
  switch (fields['type']) {
    case 'ready':
      break
    case 'pong':
      need(isCount(fields['seq']), 'seq')
      break
    case 'loaded':
      needFunction(fields)
      need(isArrayOf(fields['exports'], isText, MAX_EXPORTS), 'exports')
      break
    case 'init-failed':
      needFunction(fields)
      needFault(fields['fault'])
      break
    case 'results':
      needFunction(fields)
      need(isCount(fields['rowsBytes']), 'rowsBytes')
      break
    case 'isolate-lost':
    case 'tainted':
      needFunction(fields)
      needCasualties(fields)
      break
    case 'isolate-replaced':
      needFunction(fields)
      need(fields['reason'] === 'zombie' || fields['reason'] === 'heap', 'reason')
      break
    case 'line':
      needFunction(fields)
      need(['debug', 'info', 'warn', 'error'].includes(fields['level'] as string), 'level')
      break
    default:
      throw bad('a message of no known type')
  }
  return header as FromWorker
}

function needFunction(fields: Fields): void {
  need(isCount(fields['function']), 'function')
}

function needFault(fault: unknown): void {
  need(typeof fault === 'object' && fault !== null, 'fault')
  const fields = fault as Fields
  need(fields['code'] === 'FN_HANDLER_INIT', 'fault.code')
  for (const name of ['class', 'message', 'stack']) need(isText(fields[name]), `fault.${name}`)
}

function needCasualties(fields: Fields): void {
  need(CAUSES.includes(fields['cause'] as string), 'cause')
  need(typeof fields['starved'] === 'boolean', 'starved')
  need(fields['running'] === -1 || isSlot(fields['running']), 'running')
  for (const name of ['together', 'suspended', 'done', 'waiting']) {
    need(isArrayOf(fields[name], isSlot, MAX_SLOTS * 4), name)
  }
}

function isArrayOf(value: unknown, isOne: (one: unknown) => boolean, most: number): boolean {
  return Array.isArray(value) && value.length <= most && value.every(isOne)
}

export function isSlot(value: unknown): value is number {
  return isCount(value) && value < MAX_SLOTS
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT
}

function need(holds: boolean, what: string): void {
  if (!holds) throw bad(`a message whose ${what} is wrong`)
}

export function bad(what: string): BadFrame {
  return new BadFrame(`the worker sent ${what}`)
}
