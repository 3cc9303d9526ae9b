// The block list of one provider: client addresses or networks, each with a reason and an expiry. Pure: time is an
// argument. Bounded: the entry that ends first gives way when the list is full.

import { isIPv4 } from 'node:net'

import { z } from 'zod'

const most = 10_000

/** `203.0.113.7` or `203.0.113.0/24`. */
export const clientAddress = z.string().refine((text) => parseNetwork(text) !== undefined, 'an IPv4 address or network')

export interface Listed {
  readonly client_ip: string
  readonly reason: string
  /** ms since 1970 */
  readonly since: number
  /** ms since 1970; Infinity = until removed */
  readonly until: number
}

interface Network {
  readonly base: number
  readonly mask: number
}

export const parseNetwork = (text: string): Network | undefined => {
  const [address = '', bits = '32', ...more] = text.split('/')
  if (more.length > 0 || !isIPv4(address) || !/^\d{1,2}$/.test(bits) || Number(bits) > 32) return undefined
  const mask = bits === '0' ? 0 : (0xffffffff << (32 - Number(bits))) >>> 0
  return { base: (toNumber(address) & mask) >>> 0, mask }
}

const toNumber = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)

export class Listing {
  private readonly entries = new Map<string, { readonly listed: Listed; readonly network: Network }>()

  /** Adds or replaces. @throws RangeError when `client_ip` is neither address nor network */
  add(client_ip: string, now: number, seconds: number | undefined, reason: string): Listed {
    const network = parseNetwork(client_ip)
    if (!network) throw new RangeError(`not an IPv4 address or network: ${client_ip}`)
    const until = seconds === undefined ? Infinity : now + seconds * 1000
    const listed = { client_ip, reason, since: now, until }
    this.entries.delete(client_ip)
    if (this.entries.size >= most) this.entries.delete(this.firstToEnd())
    this.entries.set(client_ip, { listed, network })
    return listed
  }

  /** Whether there was such an entry. */
  remove(client_ip: string): boolean {
    return this.entries.delete(client_ip)
  }

  clear(): void {
    this.entries.clear()
  }

  /** The entry that blocks this address now, if any. */
  find(ip: string, now: number): Listed | undefined {
    if (this.entries.size === 0) return undefined
    const address = toNumber(ip)
    for (const { listed, network } of this.entries.values()) {
      if (listed.until <= now) this.entries.delete(listed.client_ip)
      else if ((address & network.mask) >>> 0 === network.base) return listed
    }
    return undefined
  }

  list(now: number): Listed[] {
    return [...this.entries.values()].map(({ listed }) => listed).filter(({ until }) => until > now)
  }

  private firstToEnd(): string {
    const all = [...this.entries.values()].map(({ listed }) => listed)
    return all.reduce((first, one) => (one.until < first.until ? one : first)).client_ip
  }
}
