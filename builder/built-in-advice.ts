const PLAIN_PACKAGE = (name: string): string =>
  `install the npm package \`${name}\`, plain JavaScript`

/** What a function does instead. Network modules share one answer. */
const NETWORK = 'a function has no sockets: return an event, and let a trigger deliver it by HTTP'
const FILES = 'a function has no file system: import JSON, or carry the content in the event'
const PROCESSES =
  'a function cannot start processes or threads: return an event for another function'

const INSTEAD: Readonly<Record<string, string>> = {
  assert: PLAIN_PACKAGE('assert'),
  buffer: `use \`Uint8Array\`, or ${PLAIN_PACKAGE('buffer')}`,
  child_process: PROCESSES,
  cluster: PROCESSES,
  console: 'use the global `console` or `context.log`',
  crypto: 'use a package in plain JavaScript, such as `@noble/hashes`',
  dgram: NETWORK,
  dns: NETWORK,
  events: PLAIN_PACKAGE('events'),
  fs: FILES,
  http: NETWORK,
  http2: NETWORK,
  https: NETWORK,
  net: NETWORK,
  os: 'a function does not see the machine that it runs on',
  path: PLAIN_PACKAGE('path-browserify'),
  process: 'a function has no process: values that differ by installation belong in the event',
  querystring: PLAIN_PACKAGE('querystring'),
  stream: 'return an array or an async iterable of events',
  timers: 'use the global `setTimeout` and `clearTimeout`',
  tls: NETWORK,
  url: PLAIN_PACKAGE('url'),
  util: PLAIN_PACKAGE('util'),
  worker_threads: PROCESSES,
}

/** One clause for the error: what to use instead of a Node built-in or a native addon. */
export function insteadOf(name: string): string {
  if (name.endsWith('.node')) {
    return 'a native addon cannot run in an isolate: look for a package in plain JavaScript'
  }
  const module = name.replace(/^node:/, '').split('/')[0] ?? ''
  return INSTEAD[module] ?? 'look for a package in plain JavaScript that does the same'
}
