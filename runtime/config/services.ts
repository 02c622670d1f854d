import type { Config } from './schema.ts'

/** Addresses by `namespace/name`; of two for one service the last one holds. */
export function servicesOf({ services }: Pick<Config, 'services'>): Map<string, string> {
  return new Map(services.map(splitService))
}

/** `namespace/name=URL`; a URL may hold further equals signs, a name none. */
export function splitService(entry: string): [name: string, url: string] {
  const end = entry.indexOf('=')
  return [entry.slice(0, end), entry.slice(end + 1)]
}
