/**
 * Stands in for a cluster's DNS: an HTTP proxy, which `requests` uses as the environment says, that knows
 * where the names of the cluster's services are on this machine.
 */
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface ForwardProxy {
  url: string
  /** Host name → base URL; asked at each request. */
  hosts: Map<string, string>
}

export async function forwardProxy(t: Pick<TestContext, 'after'>): Promise<ForwardProxy> {
  const hosts = new Map<string, string>()
  const server: Server = createServer((incoming, outgoing) => {
    const asked = new URL(incoming.url ?? '')
    const base = hosts.get(asked.hostname)
    if (base === undefined) {
      outgoing.writeHead(502).end(`no host ${asked.hostname}`)
      return
    }
    const { hostname, port } = new URL(base)
    const onward = request(
      { hostname, port, path: asked.pathname, method: incoming.method, headers: incoming.headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      },
    )
    onward.once('error', (error) => outgoing.writeHead(502).end(String(error)))
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, hosts }
}
