import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { MAX_STEP_RECORDS, Watermark } from '../../../runtime/consumer/watermark.ts'

const START = { offset: 100, metadata: '' }

describe('Watermark', () => {
  it('commits the lowest unfinished offset', () => {
    const mark = new Watermark(START)
    for (const offset of [100, 102, 105]) mark.begin(offset)
    mark.advance(110)
    mark.finish(102)
    assert.equal(mark.progress().offset, 100)
    mark.finish(100)
    assert.equal(mark.progress().offset, 105)
    mark.finish(105)
    assert.deepEqual(mark.progress(), { offset: 110, metadata: '', truncated: false })
  })

  it('remembers over a restart what is finished above the committed offset', () => {
    const mark = new Watermark(START)
    for (const offset of [100, 101, 102, 103]) mark.begin(offset)
    mark.advance(104)
    mark.finish(101)
    mark.finish(103)
    const again = new Watermark(mark.progress())
    assert.deepEqual(
      [100, 101, 102, 103, 104].map((offset) => again.wasFinished(offset)),
      [false, true, false, true, false],
    )
  })

  it('takes the metadata of another writer as none', () => {
    const mark = new Watermark({ offset: 5, metadata: 'strimzi' })
    assert.equal(mark.wasFinished(5), false)
    assert.equal(mark.wasFinished(6), false)
  })

  it('keeps the metadata below 4,000 bytes and forgets rather than invents', () => {
    const mark = new Watermark({ offset: 0, metadata: '' })
    for (let offset = 0; offset < 20_000; offset++) mark.begin(offset)
    mark.advance(20_000)
    for (let offset = 1; offset < 20_000; offset += 2) mark.finish(offset)
    const progress = mark.progress()
    assert.ok(progress.metadata.length <= 4_000)
    const again = new Watermark(progress)
    for (let offset = 0; offset < 20_000; offset++) {
      if (again.wasFinished(offset)) assert.equal(offset % 2, 1)
    }
  })

  it('is full when so many offsets lie between the lowest unfinished one and the next', () => {
    const mark = new Watermark(START)
    mark.advance(900)
    assert.equal(mark.isFull(10), false) // nothing is unfinished
    mark.begin(900)
    mark.advance(909)
    assert.equal(mark.isFull(10), false)
    mark.advance(910)
    assert.equal(mark.isFull(10), true)
    mark.finish(900)
    assert.equal(mark.isFull(10), false)
  })

  it('holds a window of 65,536 offsets behind a blocked event', () => {
    const mark = new Watermark({ offset: 0, metadata: '' })
    for (let offset = 0; offset < 65_536; offset++) mark.begin(offset)
    mark.advance(65_535)
    // A blocked key, and the thousand that can run at once.
    for (let offset = 0; offset < 64_500; offset++) if (offset % 500 !== 0) mark.finish(offset)
    assert.equal(mark.isFull(65_536), false)
    mark.advance(65_536)
    assert.equal(mark.isFull(65_536), true)
  })

  it('is full before what is unfinished could finish in too many ways, and goes on at half', () => {
    const mark = new Watermark({ offset: 0, metadata: '' })
    let next = 0
    while (!mark.isFull(Number.MAX_SAFE_INTEGER)) {
      mark.begin(next)
      mark.advance(++next)
    }
    assert.ok(next > 15_000 && next < 25_000, `full with ${next} unfinished`)
    let lowest = 0
    while (mark.isFull(Number.MAX_SAFE_INTEGER, 0.5)) mark.finish(lowest++)
    assert.ok(lowest > next / 4, `goes on after ${lowest} of ${next}`)
    assert.equal(mark.isFull(Number.MAX_SAFE_INTEGER), false)
  })

  it('lets in only what fits into the metadata, whatever finishes in whatever order', () => {
    const filling = fc.record({
      max: fc.constantFrom(2_000, 65_536, 1_000_000),
      /** Every how many offsets one is for the trigger. */
      every: fc.constantFrom(1, 1, 2, 3, 10, 50, 400),
      /** Records that come between two looks. */
      step: fc.integer({ min: 1, max: MAX_STEP_RECORDS }),
      /** How many of a hundred finish while it is read. */
      ending: fc.nat(100),
      /** How many unfinished ones lie side by side when others end: regular or not. */
      clump: fc.constantFrom(1, 1, 2, 7, 30),
      seed: fc.integer(),
    })
    fc.assert(
      fc.property(filling, ({ max, every, step, ending, clump, seed }) => {
        const random = randomOf(seed)
        const mark = new Watermark({ offset: 0, metadata: '' })
        let next = 0
        let unfinished: number[] = []
        const endSome = (share: number): void => {
          const chosen = new Map<number, boolean>()
          unfinished = unfinished.filter((offset) => {
            const place = Math.floor(offset / every / clump)
            const ends = chosen.get(place) ?? random() < share
            chosen.set(place, ends)
            if (ends) mark.finish(offset)
            return !ends
          })
        }
        const fits = (): void => {
          const { metadata, truncated } = mark.progress()
          assert.ok(!truncated && metadata.length <= 4_000, `${unfinished.length} of ${next}`)
        }
        for (let steps = 0; steps < 100 && !mark.isFull(max); steps++) {
          for (let i = 0; i < step; i++) {
            next += every > 1 ? 1 + Math.floor(random() * 2 * (every - 1)) : 1
            mark.begin(next)
            unfinished.push(next)
          }
          mark.advance(next + 1)
          endSome(ending / 100 / 4)
          fits()
        }
        for (let i = 0; i < 8; i++) {
          endSome(0.3)
          fits()
        }
      }),
      { numRuns: 60 },
    )
  })

  it('never commits past an unfinished offset, and after a crash runs exactly the unfinished', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ do: fc.constant('read' as const), match: fc.boolean(), gap: fc.nat(3) }),
        fc.record({ do: fc.constant('finish' as const), pick: fc.nat() }),
        fc.record({ do: fc.constant('crash' as const) }),
      ),
      { maxLength: 200 },
    )
    fc.assert(
      fc.property(steps, (script) => {
        let mark = new Watermark({ offset: 0, metadata: '' })
        /** Matched offsets of the log, and those that are done. */
        const matched: number[] = []
        const done = new Set<number>()
        let running: number[] = []
        let end = 0
        const read = (offset: number): void => {
          if (done.has(offset)) return assert.ok(mark.wasFinished(offset), `${offset} ran twice`)
          assert.equal(mark.wasFinished(offset), false, `${offset} was taken for finished`)
          mark.begin(offset)
          running.push(offset)
        }
        for (const step of script) {
          if (step.do === 'read') {
            end += step.gap
            if (step.match) {
              matched.push(end)
              read(end)
            }
            mark.advance(++end)
          } else if (step.do === 'finish' && running.length > 0) {
            const [offset] = running.splice(step.pick % running.length, 1) as [number]
            done.add(offset)
            mark.finish(offset)
          } else if (step.do === 'crash') {
            const progress = mark.progress()
            for (const offset of running) assert.ok(progress.offset <= offset)
            mark = new Watermark(progress)
            running = []
            for (const offset of matched) if (offset >= progress.offset) read(offset)
            mark.advance(end)
          }
        }
      }),
    )
  })
})

/** Mulberry32: the same numbers for the same seed, so that a failing case can be shrunk. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
