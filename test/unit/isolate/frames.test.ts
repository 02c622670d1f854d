import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  BadFrame,
  FrameReader,
  encodeFrame,
  openFrame,
  type Frame,
} from '../../../runtime/isolate/frames.ts'

const MAX_BYTES = 1_000_000

const anyFrame = fc.record({
  header: fc.dictionary(fc.string(), fc.jsonValue()),
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
})

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length]
  ends.sort((a, b) => a - b)
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end))
}

function readAll(chunks: readonly Buffer[]): Frame[] {
  const frames: Frame[] = []
  const reader = new FrameReader(MAX_BYTES)
  for (const chunk of chunks) reader.push(chunk, (frame) => frames.push(frame))
  return frames
}

test('however the stream is split, the same frames come out', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 6 }), fc.array(fc.nat()), (frames, places) => {
      const bytes = Buffer.concat(frames.map(({ header, payload }) => encodeFrame(header, payload)))
      const read = readAll(cut(bytes, places))
      assert.deepEqual(
        read.map(({ header, payload }) => ({ header, payload: payload.toString('hex') })),
        frames.map(({ header, payload }) => ({
          header: JSON.parse(JSON.stringify(header)) as unknown,
          payload: payload.toString('hex'),
        })),
      )
    }),
  )
})

test('garbage gives frames or a BadFrame, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
      try {
        readAll(chunks.map((chunk) => Buffer.from(chunk)))
      } catch (error) {
        assert.ok(error instanceof BadFrame)
      }
    }),
  )
})

test('a frame that claims to be larger than allowed is refused before it is there', () => {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(MAX_BYTES + 1)
  assert.throws(() => readAll([head]), /1000001 bytes/)
})

test('a header that reaches beyond its frame, or is no JSON, is refused', () => {
  const beyond = encodeFrame({})
  beyond.writeUInt32BE(100, 4)
  assert.throws(() => readAll([beyond]), /header of 100 bytes/)
  const noJson = encodeFrame({})
  noJson.write('{x', 8)
  assert.throws(() => readAll([noJson]), /no JSON/)
})

test('a payload may be written in place', () => {
  const [frame, at] = openFrame({ a: 1 }, 3)
  frame.write('xyz', at)
  assert.deepEqual(frame, encodeFrame({ a: 1 }, Buffer.from('xyz')))
})
