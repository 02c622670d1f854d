import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDuration } from '../../../runtime/contract/duration.ts'
import { isMillraceError } from '../../../runtime/errors.ts'

const GOOD: Array<[text: string, ms: number]> = [
  ['PT1S', 1_000],
  ['PT0.2S', 200],
  ['PT0,2S', 200],
  ['PT10M', 600_000],
  ['PT1.5H', 5_400_000],
  ['PT1H30M', 5_400_000],
  ['P1DT2H', 93_600_000],
  ['P1D', 86_400_000],
  ['P2W', 1_209_600_000],
  ['PT0S', 0],
  ['PT90S', 90_000],
  ['PT0.29S', 290],
  ['PT1.005S', 1_005],
  ['PT0.0001S', 0],
]

const BAD: Array<[text: string, says: RegExp]> = [
  ['', /write for example PT1S/],
  ['P', /write for example PT1S/],
  ['PT', /write for example PT1S/],
  ['P1DT', /write for example PT1S/],
  ['1S', /write for example PT1S/],
  ['PT1', /write for example PT1S/],
  ['PTS', /write for example PT1S/],
  ['pt1s', /write for example PT1S/],
  ['-PT1S', /write for example PT1S/],
  ['PT-1S', /write for example PT1S/],
  ['PT1S ', /write for example PT1S/],
  ['PT1S\n', /write for example PT1S/],
  ['PT.5S', /write for example PT1S/],
  ['PT1M1H', /write for example PT1S/],
  ['30s', /write for example PT1S/],
  ['P1Y', /years and months have no fixed length; write days/],
  ['P3M', /years and months have no fixed length; write days/],
  ['P1Y2M3DT4H', /years and months have no fixed length; write days/],
  ['PT1.5H30M', /only the last number may have a fraction/],
  ['P1.5DT1S', /only the last number may have a fraction/],
  ['P999999999999D', /too long/],
]

describe('parseDuration', () => {
  for (const [text, ms] of GOOD) {
    it(`reads ${text} as ${ms} ms`, () => assert.equal(parseDuration(text), ms))
  }

  for (const [text, says] of BAD) {
    it(`refuses ${JSON.stringify(text)} and shows it`, () => {
      assert.throws(
        () => parseDuration(text),
        (error) => {
          assert.ok(isMillraceError(error, 'FN_CONFIG_INVALID'))
          assert.match(error.message, says)
          return error.message.includes(JSON.stringify(text))
        },
      )
    })
  }
})

describe('formatDuration', () => {
  it('writes what a person would write', () => {
    assert.deepEqual(
      [0, 1, 200, 1_000, 30_000, 90_000, 600_000, 86_400_000, 93_600_000].map(formatDuration),
      ['PT0S', 'PT0.001S', 'PT0.2S', 'PT1S', 'PT30S', 'PT1M30S', 'PT10M', 'P1D', 'P1DT2H'],
    )
  })

  it('is read back as the same time', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 50 }), (ms) => {
        assert.equal(parseDuration(formatDuration(ms)), ms)
      }),
    )
  })

  it('refuses what is no whole number of milliseconds', () => {
    for (const ms of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(
        () => formatDuration(ms),
        (error) => isMillraceError(error, 'FN_CONFIG_INVALID'),
      )
    }
  })
})
