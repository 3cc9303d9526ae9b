import { describe, expect, it } from 'vitest'

import { blamedScope, netblockOf, scopeKey, scopesOf } from '@sluice/core/lane/scope'

const sender = {
  source: 'ip-1',
  provider: 'google',
  source_ip: '198.51.100.7',
  stream: 'news',
  tenant: 'acme',
  dkim_domain: 'acme.example',
  spf_domain: 'bounce.acme.example',
  from_domain: 'acme.example',
  recipient: 'a@b.example',
}

describe('a netblock', () => {
  it.each([
    ['198.51.100.7', '198.51.100.0/24'],
    ['::ffff:198.51.100.7', '198.51.100.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8::1', '2001:db8::/64'],
    ['2001:db8:0:0:ffff::1', '2001:db8::/64'],
    ['fe80::1', 'fe80::/64'],
    ['::1', '0::/64'],
  ])('of %s is %s', (ip, block) => {
    expect(netblockOf(ip)).toBe(block)
  })

  it.each(['', 'mail.example.com', '1.2.3', '1:2:3', ':::', '1:2:3:4:5:6:7:8:9'])('of %j there is none', (ip) => {
    expect(netblockOf(ip)).toBeUndefined()
  })
})

describe('blame', () => {
  it.each([
    ['ip', 'lane', 'ip-1'],
    ['unknown', 'lane', 'ip-1'],
    ['netblock', 'netblock', '198.51.100.0/24'],
    ['dkim', 'dkim', 'acme.example'],
    ['spf', 'spf', 'bounce.acme.example'],
    ['from_domain', 'from_domain', 'acme.example'],
    ['content', 'stream', 'news'],
    ['url', 'stream', 'news'],
    ['recipient', 'recipient', 'a@b.example'],
  ] as const)('of %s is the %s', (blame, kind, name) => {
    expect(blamedScope(blame, sender)).toEqual({ kind, name, provider: 'google' })
  })

  it('falls to the nearest identity that is known, never to the lane', () => {
    expect(blamedScope('dkim', { ...sender, dkim_domain: undefined })?.kind).toBe('from_domain')
    expect(blamedScope('spf', { source: 'ip-1', provider: 'google' })).toBeUndefined()
    expect(blamedScope('content', { source: 'ip-1', provider: 'google' })).toBeUndefined()
  })
})

describe('a scope key', () => {
  it('is one word, whatever the names are made of', () => {
    expect(scopeKey({ kind: 'tenant', name: 'a|b {c}%', provider: 'x' })).toBe('tenant|a%7Cb%20%7Bc%7D%25|x')
  })

  it('differs for every scope a message has to pass', () => {
    const keys = scopesOf(sender).map(scopeKey)
    expect(keys[0]).toBe('lane|ip-1|google')
    expect(new Set(keys).size).toBe(7)
  })
})
