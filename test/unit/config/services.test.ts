import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../../runtime/config/load.ts'
import type { Config } from '../../../runtime/config/schema.ts'
import { servicesOf } from '../../../runtime/config/services.ts'
import { isMillraceError } from '../../../runtime/errors.ts'

function load(services: string): Config {
  return loadConfig({ cwd: '/nonexistent', env: {}, flags: { services } })
}

test('addresses of services are told by name', () => {
  const config = load('events/a=http://127.0.0.1:9000/x?y=z, shop/b.c=https://b.example.com')
  assert.deepEqual(
    [...servicesOf(config)],
    [
      ['events/a', 'http://127.0.0.1:9000/x?y=z'],
      ['shop/b.c', 'https://b.example.com'],
    ],
  )
})

test('what is no address of a service is refused with an example', () => {
  for (const entry of [
    'a=http://b',
    'events/a=b',
    'events/a',
    'Events/a=http://b',
    'a/b=ftp://c',
  ]) {
    assert.throws(
      () => load(entry),
      (error) =>
        isMillraceError(error, 'FN_CONFIG_INVALID') &&
        error.message.includes(
          'namespace/name=URL for each service, for example events/order-processor=http://127.0.0.1:9000',
        ),
    )
  }
  assert.throws(() => load('events/a=http://[x'), /services \(--services\): events\/a has no URL/)
})
