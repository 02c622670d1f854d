/**
 * What the CloudEvents 1.0 documents demand, one number a demand, and the tests that hold us to it: C core
 * attributes and types, J JSON format, H HTTP binding, K Kafka binding, X extensions, W HTTP webhooks, A
 * Avro, P Protobuf. A test that proves a demand has its number in its title; this table says in which files
 * such tests must be, so that none of them goes missing.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

const ATTRIBUTES = 'unit/codec/attributes'
const EXTENSIONS = 'unit/codec/extensions'
const HEADER = 'unit/codec/header-text'
const HTTP = 'unit/codec/http'
const JSON_FORMAT = 'unit/codec/json-format'
const MEDIA = 'unit/codec/media-type'
const RECORD = 'unit/codec/record'
const INGRESS = 'integration/ingress/ingress'
const REFUSALS = 'integration/ingress/refusals'

const CLAIMED: Record<string, string[]> = {
  'C1 required attributes are there and not empty': [ATTRIBUTES, JSON_FORMAT, RECORD],
  'C2 specversion is exactly 1.0': [ATTRIBUTES],
  'C3 names have a-z and 0-9': [ATTRIBUTES, HTTP, JSON_FORMAT, RECORD],
  'C4 no attribute is named data': [ATTRIBUTES],
  'C5 names longer than 20 characters are taken': [ATTRIBUTES],
  'C6 an attribute occurs once: a second one is refused': [HTTP, JSON_FORMAT, RECORD],
  'C7 integers have 32 bits': [ATTRIBUTES, JSON_FORMAT],
  'C8 values have one of the types': [ATTRIBUTES, JSON_FORMAT],
  'C9 no control characters': [ATTRIBUTES, HTTP, JSON_FORMAT, RECORD],
  'C10 no lone surrogates and noncharacters': [ATTRIBUTES, JSON_FORMAT, RECORD],
  'C11 canonical texts': [ATTRIBUTES, HTTP],
  'C12 time is RFC 3339 or refused': [ATTRIBUTES, HTTP, JSON_FORMAT, RECORD],
  'C13 nothing is invented': [ATTRIBUTES, HTTP, JSON_FORMAT],
  'C14 timestamps keep offset and fractions': [ATTRIBUTES, JSON_FORMAT, RECORD],
  'C15 dataschema is an absolute URI, subject is not empty': [ATTRIBUTES, HTTP, RECORD],
  'C16 media types are compared in any case': [ATTRIBUTES, HTTP, MEDIA, RECORD],
  'C17 a batch has one specversion': [JSON_FORMAT],
  'C18 64 KiB are forwarded': [HTTP, JSON_FORMAT, RECORD],
  'C19 64 KiB are accepted': [REFUSALS],
  'C20 equal source and id are a duplicate': ['unit/consumer/dedupe'],

  'J1 extensions are top-level members': [JSON_FORMAT],
  'J2 integers and booleans are those of JSON': [JSON_FORMAT],
  'J3 null is unset': [JSON_FORMAT],
  'J4 the media type': [HTTP],
  'J5 attributes become members of their name': [JSON_FORMAT],
  'J6 binary data is data_base64': [JSON_FORMAT],
  'J7 without a content type none is added': [JSON_FORMAT],
  'J8 JSON data is a JSON value': [JSON_FORMAT],
  'J9 other text is a string': [JSON_FORMAT],
  'J10 data and data_base64 exclude each other': [JSON_FORMAT],
  'J11 null is data': [JSON_FORMAT, RECORD],
  'J12 data_base64 becomes bytes': [JSON_FORMAT],
  'J13 data_base64 alone is not JSON': [JSON_FORMAT],
  'J14 a JSON string is not parsed again': [JSON_FORMAT],
  'J15 data without a content type is JSON': [JSON_FORMAT],
  'J16 such data is application/json elsewhere': [HTTP, RECORD],
  'J17 binary data without a content type stays without': [HTTP, RECORD],
  'J18 batches, the empty one included': [JSON_FORMAT],
  'J19 large numbers in data survive': [JSON_FORMAT],
  'J20 the output fits the schema of the format': [JSON_FORMAT],

  'H1 structured mode has the JSON format': [HTTP],
  'H2 both modes': [INGRESS],
  'H3 the mode by content type': [HTTP, MEDIA],
  'H4 no batch unless asked for': [HTTP],
  'H5 an unknown format is refused as such': [HTTP],
  'H6 Content-Type is datacontenttype': [HTTP],
  'H7 the body is the data': [HTTP],
  'H8 each attribute has a header': [HTTP],
  'H9 header names in any case': [HTTP],
  'H10 what is percent-encoded': [HEADER, HTTP],
  'H11 upper-case hexadecimal': [HEADER],
  'H12 lower-case and unnecessary encoding is decoded': [HEADER],
  'H13 one round of decoding': [HEADER],
  'H14 what is not UTF-8 is refused': [HEADER],
  'H15 quoted strings are unquoted first': [HEADER],
  'H16 a lone % is kept': [HEADER, HTTP],
  'H17 the media type of structured mode': [HTTP],
  'H18 the payload wins over headers': [HTTP],
  'H19 the media type of batches': [HTTP],
  'H20 requests and responses alike': [HTTP],
  'H21 the examples of the document': [HTTP],
  'H22 what is no event is refused': [HTTP],

  'K1 binary mode': [RECORD],
  'K2 structured mode has the JSON format': [RECORD],
  'K3 the mode by content-type': [RECORD],
  'K4 no batches': [RECORD],
  'K5 the key is the record key': [RECORD],
  'K6 partitionkey is the key': [RECORD],
  'K7 a key changes no event': [RECORD],
  'K8 content-type is datacontenttype': [RECORD],
  'K9 the value is the data': [RECORD],
  'K10 no data is a null value': [RECORD],
  'K11 headers are UTF-8 text': [RECORD],
  'K12 a structured event without data is no tombstone': [RECORD],
  'K13 the content-type of structured mode': [RECORD],
  'K14 the payload wins over headers': [RECORD],
  'K15 no time is no fault': [RECORD],
  'K16 headers that are bytes': [RECORD],

  'X1 traceparent is not empty': [EXTENSIONS],
  'X2 the starting trace is kept over hops': [EXTENSIONS, 'unit/publish/complete-reply'],
  'X3 partitionkey is not empty': [EXTENSIONS],
  'X4 sequence is not empty': [EXTENSIONS],
  'X5 sampledrate is above 0': [EXTENSIONS],
  'X6 expirytime: discarded, never removed': [
    EXTENSIONS,
    'unit/delivery/expiry',
    'unit/ingress/decode-request',
  ],
  'X7 deprecated and its times': [EXTENSIONS],
  'X8 dataref passes': [EXTENSIONS],
  'X9 recordedtime is not changed': [EXTENSIONS],

  'W1 the statuses of a delivery': [REFUSALS, 'integration/subscriber/http/statuses'],
  'W2 OPTIONS against abuse': [REFUSALS],
}

/** Formats that we do not speak: an event in them is refused with 415 (H5), in a record too. */
const NOT_CLAIMED = ['A1 Avro', 'P1 Protobuf']

/** How many demands each part has: none was forgotten. */
const PARTS = { C: 20, J: 20, H: 22, K: 16, X: 9, A: 1, P: 1, W: 2 }

test('every demand of the checklist has its row', () => {
  const wanted = Object.entries(PARTS).flatMap(([part, count]) =>
    Array.from({ length: count }, (_, i) => `${part}${i + 1}`),
  )
  const rows = [...Object.keys(CLAIMED), ...NOT_CLAIMED].map(numberOf)
  assert.deepEqual(new Set(rows), new Set(wanted))
  assert.equal(rows.length, 91)
})

for (const [demand, files] of Object.entries(CLAIMED)) {
  test(`${demand}: a test says so`, async () => {
    for (const file of files) {
      const titles = await titlesOf(file)
      const number = new RegExp(`\\b${numberOf(demand)}\\b`)
      assert.ok(
        titles.some((title) => number.test(title)),
        `no test of ${file} is named so`,
      )
    }
  })
}

function numberOf(demand: string): string {
  return demand.split(' ')[0] ?? ''
}

const TITLE = /\b(?:test|it)\(\s*(['"`])((?:(?!\1).)+)\1/gs

async function titlesOf(file: string): Promise<string[]> {
  const path = new URL(`../../${file}.test.ts`, import.meta.url)
  const text = await readFile(path, 'utf8')
  return [...text.matchAll(TITLE)].map(([, , title]) => title ?? '')
}
