import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getCACertificates } from 'node:tls'
import {
  parseAddress,
  trustedCertificates,
  trusting,
} from '../../../../runtime/subscriber/http/address.ts'
import { selfSigned } from '../../../support/self-signed.ts'

test('an address is split into its origin and its path', () => {
  assert.deepEqual(parseAddress('http://pricer.events.svc/a/b?c=d#e', 'events/pricer'), {
    url: 'http://pricer.events.svc/a/b?c=d#e',
    origin: 'http://pricer.events.svc',
    path: '/a/b?c=d',
    shown: 'http://pricer.events.svc/a/b',
  })
  assert.equal(parseAddress('https://[::1]:8443', 'n').path, '/')
})

test('an address with credentials is refused, and they are not repeated', () => {
  for (const url of ['http://user:secret@host/', 'https://secret@host/', 'http://:secret@host/']) {
    assert.throws(
      () => parseAddress(url, 'events/pricer'),
      ({ code, message }: { code: string; message: string }) =>
        code === 'FN_CONFIG_INVALID' &&
        message.includes('events/pricer') &&
        message.includes('credentials') &&
        !message.includes('secret'),
    )
  }
})

test('only http and https are addresses', () => {
  for (const url of ['ftp://host/', 'file:///etc', 'pricer', '/path', 'http://', '']) {
    assert.throws(() => parseAddress(url, 'events/pricer'), { code: 'FN_CONFIG_INVALID' }, url)
  }
})

test('CA certificates come to those that Node trusts', () => {
  const [one, two] = [selfSigned().cert, selfSigned().cert]
  const trusted = trustedCertificates(`# a\n${one}\n# b\n${two}`, 'n')
  assert.equal(trusted.length, getCACertificates('default').length + 2)
  assert.ok(trusting(one, 'n').context !== undefined)
})

test('CA certificates that are none are refused', () => {
  const broken = selfSigned().cert.replace(/MII.{20}/, 'MIIaaaaaaaaaaaaaaaaaaaa')
  for (const pem of ['', 'not PEM', `${selfSigned().cert}${broken}`]) {
    assert.throws(() => trusting(pem, 'events/pricer'), {
      code: 'FN_CONFIG_INVALID',
      message: /events\/pricer.*CA certificate/,
    })
  }
})
