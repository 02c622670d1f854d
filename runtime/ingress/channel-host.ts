/** The address of a channel, which has no path: `{name}-kn-channel.{namespace}.svc`, and the cluster's domain. */

const SUFFIX = '-kn-channel'
/** RFC 1035; what is longer is no name of a host. */
const MAX_HOST_LENGTH = 253

/**
 * The broker that feeds the channel of this Host header, with or without a port; undefined for the host
 * of anything else. It counts where the path is `/`, as for Knative's receiver.
 */
export function channelOfHost(
  host: string | undefined,
): { namespace: string; broker: string } | undefined {
  if (host === undefined || host.length > MAX_HOST_LENGTH + ':65535'.length) return undefined
  const [name = ''] = host.toLowerCase().split(':', 1)
  const [broker = '', namespace = '', svc] = name.split('.')
  if (svc !== 'svc' || !broker.endsWith(SUFFIX)) return undefined
  return { namespace, broker }
}
