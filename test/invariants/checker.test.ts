/** A checker that cannot fail proves nothing: each kind of damage is done to a clean log in turn. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { check, type CheckInput, type Findings } from './checker.ts'
import { lastLine, ledger } from './ledger.ts'
import {
  FUNCTIONS,
  loadRecord,
  LOAD_SOURCE,
  STEPS,
  type LoadEvent,
  type RecordLine,
} from './load-record.ts'
import type { LoggedEvent, TopicsRead } from './logged-event.ts'

const ATTEMPTS = 3
const BEGAN_AT = 1_000_000
/** Longer than the slack that the checker gives to time stamps. */
const LONG_MS = 60_000

/** Two keys with four events each; k1 n 3 is poison in the second function. */
function load(): LoadEvent[] {
  return [1, 2, 3, 4].flatMap((n) =>
    ['k1', 'k2'].map((key): LoadEvent => {
      const event: LoadEvent = { id: `${key}-${n}`, key, n }
      if (key === 'k1' && n === 3) event.poison = 'b'
      return event
    }),
  )
}

function logged(type: string, event: LoadEvent, offset: number): LoggedEvent {
  const { id, key, n } = event
  return {
    partition: key === 'k1' ? 0 : 1,
    offset,
    at: BEGAN_AT + offset,
    source: type === 'load.in' ? LOAD_SOURCE : '/load/functions/x',
    id: type === 'load.in' ? id : `${id}-${type}`,
    type,
    recordKey: key,
    key,
    n,
  }
}

interface Clean {
  lines: RecordLine[]
  topics: TopicsRead
}

function clean(): Clean {
  const events = load()
  const topics: TopicsRead = { events: [], deadLetters: { a: [], b: [], c: [] }, strange: [] }
  let offset = 0
  for (const [index, step] of STEPS.entries()) {
    for (const event of events) {
      if (event.poison === undefined || index < 2) topics.events.push(logged(step, event, offset++))
    }
  }
  const poison = events.find((event) => event.poison === 'b') as LoadEvent
  topics.deadLetters.b.push({
    ...logged('load.one', poison, 0),
    attempts: ATTEMPTS,
    code: 'FN_HANDLER_THREW',
  })
  const lines: RecordLine[] = [
    { kind: 'sent', batch: 1, at: BEGAN_AT, events },
    { kind: 'accepted', batch: 1, at: BEGAN_AT + 1 },
  ]
  return { lines, topics }
}

function checked(
  damage: (log: Clean) => void,
  options: Partial<Pick<CheckInput, 'exactlyOnce' | 'way'>> = {},
): Findings {
  const log = clean()
  damage(log)
  return check({
    record: loadRecord(log.lines),
    topics: log.topics,
    attempts: ATTEMPTS,
    ...options,
  })
}

function indexOf({ topics }: Clean, type: string, key: string, n: number): number {
  return topics.events.findIndex((one) => one.type === type && one.key === key && one.n === n)
}

function again(log: Clean, type: string, laterMs = LONG_MS): void {
  const first = log.topics.events[indexOf(log, type, 'k2', 2)] as LoggedEvent
  log.topics.events.push({ ...first, offset: 1_000, at: first.at + laterMs })
}

function swap(log: Clean, type: string): void {
  const first = log.topics.events[indexOf(log, type, 'k2', 2)] as LoggedEvent
  const second = log.topics.events[indexOf(log, type, 'k2', 3)] as LoggedEvent
  ;[first.offset, second.offset] = [second.offset, first.offset]
}

function killAt(log: Clean, from: number): void {
  log.lines.push({ kind: 'harm', name: 'kill', from, until: from + 1_000 })
}

describe('the checker', () => {
  it('passes a clean log', () => {
    const findings = checked(() => {})
    assert.ok(findings.ok)
    assert.equal(lastLine(findings), 'lost: 0, out of order: 0, duplicates: 0, dead letters: 1')
    assert.ok(checked(() => {}, { exactlyOnce: true }).ok)
  })

  for (const [index, step] of STEPS.entries()) {
    it(`sees one event lost from ${step} on`, () => {
      const findings = checked((log) => {
        for (const later of STEPS.slice(index)) {
          log.topics.events.splice(indexOf(log, later, 'k2', 3), 1)
        }
      })
      assert.ok(!findings.ok)
      assert.equal(findings.lost.length, 1)
      assert.match(findings.lost[0] ?? '', /k2 n 3 .*load\.out/)
    })

    it(`sees a swapped pair in ${step}`, () => {
      const findings = checked((log) => swap(log, step))
      assert.ok(!findings.ok)
      assert.equal(findings.outOfOrder.length, 1)
    })

    it(`sees one event twice in ${step} without anything that explains it`, () => {
      const findings = checked((log) => again(log, step))
      assert.ok(!findings.ok)
      assert.deepEqual(findings.duplicates, { unexplained: 1 })
      assert.match(lastLine(findings), /duplicates: 1/)
    })
  }

  it('counts a repetition around a kill, and not one long before it', () => {
    const around = checked((log) => {
      again(log, 'load.two')
      killAt(log, BEGAN_AT + LONG_MS / 2)
    })
    assert.ok(around.ok)
    assert.deepEqual(around.duplicates, { kill: 1 })
    const before = checked((log) => {
      again(log, 'load.two')
      killAt(log, BEGAN_AT + 2 * LONG_MS)
    })
    assert.ok(!before.ok)
    assert.deepEqual(before.duplicates, { unexplained: 1 })
  })

  it('explains a repetition by a cause that came twice, and a resent one by its lost answer', () => {
    const findings = checked((log) => {
      again(log, 'load.in')
      again(log, 'load.one')
      log.lines.splice(1, 0, { kind: 'unsure', batch: 1, at: BEGAN_AT, reason: 'reset' })
    })
    assert.ok(findings.ok)
    assert.deepEqual(findings.duplicates, { 'answer lost': 1, 'cause came twice': 1 })
  })

  it('takes no repetition with exactlyOnce, whatever explains it', () => {
    const damage = (log: Clean): void => {
      again(log, 'load.two')
      killAt(log, BEGAN_AT + LONG_MS / 2)
    }
    const findings = checked(damage, { exactlyOnce: true })
    assert.ok(!findings.ok)
    assert.equal(findings.duplicateCount, 1)
    // n 2 stands behind n 4 again, which only counts where every occurrence does.
    assert.equal(findings.outOfOrder.length, 1)
  })

  it('sees a poison event without its dead letter', () => {
    const findings = checked(({ topics }) => (topics.deadLetters.b = []))
    assert.ok(!findings.ok)
    assert.match(findings.lost[0] ?? '', /k1 n 3 .*dead letters of b/)
  })

  const letters: Array<[title: string, damage: (log: Clean) => void, says: RegExp]> = [
    [
      'a dead letter without cause',
      ({ topics }) => {
        const event = { id: 'k2-1', key: 'k2', n: 1 }
        const more = { attempts: ATTEMPTS, code: 'FN_HANDLER_THREW' }
        topics.deadLetters.a.push({ ...logged('load.in', event, 0), ...more })
      },
      /k2 n 1 .*has no cause/,
    ],
    [
      'a dead letter of the wrong function',
      ({ topics }) => {
        topics.deadLetters.c = topics.deadLetters.b
        topics.deadLetters.b = []
      },
      /dead letters of c k1 n 3 .*has no cause/,
    ],
    [
      'a dead letter that did not use its attempts',
      ({ topics }) => {
        for (const letter of topics.deadLetters.b) letter.attempts = ATTEMPTS - 1
      },
      /says 2 attempts, not 3/,
    ],
    [
      'a dead letter with another reason',
      ({ topics }) => {
        for (const letter of topics.deadLetters.b) letter.code = 'FN_DELIVERY_PUBLISH_FAILED'
      },
      /says FN_DELIVERY_PUBLISH_FAILED/,
    ],
    [
      'a poison event that went on',
      ({ topics }) => {
        topics.events.push(logged('load.two', { id: 'k1-3', key: 'k1', n: 3 }, 2_000))
      },
      /poison in b and in load\.two/,
    ],
    [
      'an event that was never sent',
      ({ topics }) => {
        topics.events.push(logged('load.out', { id: 'x', key: 'k1', n: 9 }, 2_000))
      },
      /was never sent/,
    ],
    [
      'a reply under a second id',
      (log) => {
        const first = log.topics.events[indexOf(log, 'load.out', 'k2', 4)] as LoggedEvent
        log.topics.events.push({ ...first, id: 'other', offset: 2_000 })
        killAt(log, BEGAN_AT)
      },
      /has a second id/,
    ],
    [
      'a lost record key',
      (log) => {
        const event = log.topics.events[indexOf(log, 'load.one', 'k2', 4)] as LoggedEvent
        event.recordKey = null
      },
      /has the record key null/,
    ],
    [
      'a key in two partitions',
      (log) => {
        const event = log.topics.events[indexOf(log, 'load.one', 'k1', 4)] as LoggedEvent
        event.partition = 3
      },
      /is not in partition 0/,
    ],
    [
      'a record that is no event of the load',
      ({ topics }) => {
        topics.strange.push('t/0/7 was quarantined')
      },
      /quarantined/,
    ],
  ]
  for (const [title, damage, says] of letters) {
    it(`sees ${title}`, () => {
      const findings = checked(damage)
      assert.ok(!findings.ok)
      assert.match(findings.wrong.join('\n'), says)
    })
  }

  it('asks nothing of events that were never accepted, and everything once the log has them', () => {
    const unanswered = checked((log) => {
      log.lines.push({
        kind: 'sent',
        batch: 2,
        at: BEGAN_AT,
        events: [
          { id: 'k1-5', key: 'k1', n: 5 },
          { id: 'k2-5', key: 'k2', n: 5 },
        ],
      })
    })
    assert.ok(unanswered.ok)
    const halfway = checked((log) => {
      const event = { id: 'k1-5', key: 'k1', n: 5 }
      log.lines.push({ kind: 'sent', batch: 2, at: BEGAN_AT, events: [event] })
      log.topics.events.push(logged('load.in', event, 2_000))
    })
    assert.deepEqual(halfway.lost, ['k1 n 5 (k1-5): not in load.one, load.two, load.out'])
  })

  describe('where the steps between the ends leave nothing in the log', () => {
    const way = ['load.in', ...FUNCTIONS.map((fn) => ({ fn })), 'load.out']
    const onlyEnds = (damage: (log: Clean) => void): Findings => {
      const judged = (log: Clean): void => {
        const { topics } = log
        topics.events = topics.events.filter(({ type }) => way.includes(type))
        damage(log)
      }
      return checked(judged, { way })
    }

    it('passes a clean log', () => {
      const findings = onlyEnds(() => {})
      assert.ok(findings.ok, ledger(findings))
      assert.equal(lastLine(findings), 'lost: 0, out of order: 0, duplicates: 0, dead letters: 1')
    })

    it('sees what did not come out, in no order or not as a dead letter', () => {
      const damages: Array<(log: Clean) => void> = [
        (log) => log.topics.events.splice(indexOf(log, 'load.out', 'k2', 3), 1),
        (log) => swap(log, 'load.out'),
        ({ topics }) => (topics.deadLetters.b = []),
      ]
      const found = damages.map(onlyEnds)
      assert.deepEqual(
        found.map(({ lost, outOfOrder }) => [lost.length, outOfOrder.length]),
        [
          [1, 0],
          [0, 1],
          [1, 0],
        ],
      )
    })

    it('sees what came out though it is poison, and what stands between', () => {
      const findings = onlyEnds(({ topics }) => {
        topics.events.push(logged('load.out', { id: 'k1-3', key: 'k1', n: 3 }, 2_000))
        topics.events.push(logged('load.one', { id: 'k1-1', key: 'k1', n: 1 }, 2_000))
      })
      assert.match(findings.wrong.join('\n'), /events of type load\.one/)
      assert.match(findings.wrong.join('\n'), /poison in b and in load\.out/)
    })
  })

  it('prints a table of the chain that ends in the line that says it all', () => {
    const lines = ledger(checked(() => {}))
      .trimEnd()
      .split('\n')
    assert.match(lines[0] ?? '', /^step +records +events +repeated +out of order +missing$/)
    assert.match(lines[1] ?? '', /^load\.in +8 +8 +0 +0 +0$/)
    assert.equal(lines.at(-1), 'lost: 0, out of order: 0, duplicates: 0, dead letters: 1')
  })
})
