/** `CACerts` of a destination: whether they can be trusted is known before anybody connects. */
import { X509Certificate } from 'node:crypto'

const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** What is wrong with them, if anything. */
export function certificatesProblem(caCerts: string): string | undefined {
  const given = caCerts.match(PEM) ?? []
  if (given.length === 0) {
    return 'must be certificates in PEM, -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----'
  }
  const broken = given.findIndex((pem) => !isCertificate(pem))
  if (broken === -1) return undefined
  return `certificate ${broken + 1} of ${given.length} is broken: between its first line and its last there must be the base64 of a certificate`
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    // Why not is a riddle of OpenSSL's.
    return false
  }
}
