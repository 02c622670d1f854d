import assert from 'node:assert/strict'
import { test } from 'node:test'
import { channelOfHost } from '../../../runtime/ingress/channel-host.ts'

test('the host of a channel names what feeds it, in all forms that a cluster resolves', () => {
  for (const host of [
    'orders-kn-channel.shop.svc',
    'orders-kn-channel.shop.svc.cluster.local',
    'orders-kn-channel.shop.svc.cluster.local:80',
    'Orders-KN-Channel.shop.svc.my.domain.',
  ]) {
    assert.deepEqual(channelOfHost(host), { namespace: 'shop', broker: 'orders-kn-channel' }, host)
  }
})

test('another host names nothing', () => {
  for (const host of [
    undefined,
    '',
    ':80',
    '127.0.0.1:8080',
    '[::1]:8080',
    'orders.shop.svc.cluster.local',
    'orders-kn-channel.shop',
    'orders-kn-channel.shop.service',
    'a.orders-kn-channel.shop.svc',
    `${'x'.repeat(100_000)}-kn-channel.shop.svc`,
  ]) {
    assert.equal(channelOfHost(host), undefined)
  }
})
