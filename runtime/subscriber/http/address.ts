/** The address of a subscriber, and whom it has to be to be believed over TLS. */
import { X509Certificate } from 'node:crypto'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { MillraceError } from '../../errors.ts'

export interface Address {
  /** Whole, as it was given: what dead letters name. */
  url: string
  origin: string
  /** With the query. */
  path: string
  /** Without the query, which may hold a secret: for messages. */
  shown: string
}

/** Throws `FN_CONFIG_INVALID` for what is no address of a subscriber. */
export function parseAddress(url: string, name: string): Address {
  const parsed = URL.parse(url)
  if (parsed === null) {
    throw invalid(name, 'has an address that is no URL', 'write it as http://host/path')
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw invalid(
      name,
      `has an address with credentials in it (at ${parsed.host})`,
      'addresses stand in logs and in dead letters: take the part before the @ out',
    )
  }
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    throw invalid(
      name,
      `has the address ${parsed.protocol}//${parsed.host}`,
      'only http and https can be sent to',
    )
  }
  return {
    url,
    origin: parsed.origin,
    path: `${parsed.pathname}${parsed.search}`,
    shown: `${parsed.origin}${parsed.pathname}`,
  }
}

/**
 * Trusts `caCerts` (PEM, one or more) besides the authorities that Node trusts. Made once, since reading
 * some 150 certificates for each connection would cost more than the connection. Throws
 * `FN_CONFIG_INVALID`.
 */
export function trusting(caCerts: string, name: string): SecureContext {
  return createSecureContext({ ca: trustedCertificates(caCerts, name) })
}

export function trustedCertificates(caCerts: string, name: string): string[] {
  const given = caCerts.match(PEM) ?? []
  if (given.length === 0) {
    throw invalid(name, 'has CA certificates without any certificate in them', PEM_ADVICE)
  }
  for (const [index, pem] of given.entries()) {
    try {
      void new X509Certificate(pem)
    } catch (error) {
      const message = `has a broken CA certificate (number ${index + 1} of ${given.length})`
      throw invalid(name, message, PEM_ADVICE, error)
    }
  }
  return [...getCACertificates('default'), ...given]
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g
const PEM_ADVICE = 'give PEM: -----BEGIN CERTIFICATE----- and so on'

function invalid(name: string, what: string, advice: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'FN_CONFIG_INVALID',
    `subscriber ${name} ${what}; ${advice}`,
    cause === undefined ? {} : { cause },
  )
}
