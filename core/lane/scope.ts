// Who is meant: the scope at which a refusal counts, and the scopes whose gates a message has to pass.
//
// Blame decides: ip the lane, netblock every source of the same /24 (IPv4) or /64 (IPv6), dkim, spf and from_domain that
// identity on whatever source, content and url the stream, recipient nobody but the recipient. Every scope is towards
// one provider: what one provider refuses the next may take.

import type { Blame } from '../bounce/verdict'

export const scopeKinds = ['lane', 'netblock', 'dkim', 'spf', 'from_domain', 'stream', 'tenant', 'recipient'] as const
export type ScopeKind = (typeof scopeKinds)[number]

export interface Scope {
  readonly kind: ScopeKind
  /** Source, netblock, domain, stream, tenant or address. */
  readonly name: string
  readonly provider: string
}

/** Who sent what by which way; absent where it is not known. */
export interface Sender {
  readonly source: string
  readonly provider: string
  /** Local address the connection was bound to. */
  readonly source_ip?: string | undefined
  readonly stream?: string | undefined
  readonly tenant?: string | undefined
  /** `d=` of the signature, lower case. */
  readonly dkim_domain?: string | undefined
  /** Domain of the return path. */
  readonly spf_domain?: string | undefined
  /** Domain of the From header. */
  readonly from_domain?: string | undefined
  readonly recipient?: string | undefined
}

/** The scope as one word, the same for all workers. */
export const scopeKey = ({ kind, name, provider }: Scope): string =>
  [kind, name, provider].map((part) => part.replace(/[%|{}\s]/g, encodeURIComponent)).join('|')

/** undefined for what is no scope key. */
export const readScopeKey = (key: string): Scope | undefined => {
  const [kind, name, provider, ...more] = key.split('|')
  const known = scopeKinds.find((one) => one === kind)
  if (!known || !name || !provider || more.length > 0) return undefined
  try {
    return { kind: known, name: decodeURIComponent(name), provider: decodeURIComponent(provider) }
  } catch {
    return undefined // a stray % that we have not written
  }
}

const scope = (kind: ScopeKind, name: string | undefined, { provider }: Sender): Scope | undefined =>
  name === undefined || name === '' ? undefined : { kind, name, provider }

export const laneOf = (sender: Sender): Scope => ({ kind: 'lane', name: sender.source, provider: sender.provider })

/** The scope to blame; the nearest one that is known where the one that is named is not. */
export const blamedScope = (blame: Blame, sender: Sender): Scope | undefined => {
  const netblock = () => scope('netblock', netblockOf(sender.source_ip ?? ''), sender)
  const from = () => scope('from_domain', sender.from_domain, sender)
  const spf = () => scope('spf', sender.spf_domain, sender)
  const stream = () => scope('stream', sender.stream, sender)
  switch (blame) {
    case 'ip':
    case 'none':
    case 'unknown':
    case 'receiver':
    case 'connection':
      return laneOf(sender)
    case 'netblock':
      return netblock() ?? laneOf(sender)
    case 'dkim':
      return scope('dkim', sender.dkim_domain, sender) ?? from() ?? spf()
    case 'spf':
      return spf() ?? from()
    case 'from_domain':
      return from() ?? spf()
    case 'url':
    case 'content':
    case 'stream':
      return stream()
    case 'recipient':
      return scope('recipient', sender.recipient, sender)
  }
}

/** Every scope that can hold this mail, the lane first. */
export const scopesOf = (sender: Sender): readonly Scope[] =>
  [
    laneOf(sender),
    scope('netblock', netblockOf(sender.source_ip ?? ''), sender),
    scope('dkim', sender.dkim_domain, sender),
    scope('spf', sender.spf_domain, sender),
    scope('from_domain', sender.from_domain, sender),
    scope('stream', sender.stream, sender),
    scope('tenant', sender.tenant, sender),
  ].filter((one) => one !== undefined)

/** `198.51.100.0/24` or `2001:db8:0:1::/64`; undefined where `ip` is no address. */
export const netblockOf = (ip: string): string | undefined => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.\d{1,3}$/.exec(mapped?.[1] ?? ip)
  if (v4) return `${v4.slice(1, 4).map(Number).join('.')}.0/24`
  if (!/^(?=.*:)[0-9a-f:]{2,39}$/i.test(ip) || /:::|::.*::/.test(ip)) return undefined
  const [head = '', tail] = ip.toLowerCase().split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const filled =
    tail === undefined
      ? left
      : [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right]
  if (filled.length !== 8 || filled.some((group) => !/^[0-9a-f]{1,4}$/.test(group))) return undefined
  const groups = filled.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  while (groups.length > 1 && groups.at(-1) === '0') groups.pop()
  return `${groups.join(':')}::/64`
}
