/** As JavaScript reads it, apart from how Millrace does. */
export function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString())
    return true
  } catch {
    return false
  }
}
