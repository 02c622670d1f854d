import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Watermark } from '../../../runtime/consumer/watermark.ts'

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
