// Where mail for a domain goes: MX records, or the domain itself where it has none (RFC 5321 5.1), or nowhere
// (null MX, RFC 7505), with the addresses of each host. Everything is cached by its TTL, failures too.

import { isIP, isIPv4 } from 'node:net'
import { domainToASCII } from 'node:url'

import type { AddressAnswer, Dns, MxAnswer, MxTarget } from '../contract'
import { AnswerCache } from './cache'
import type { MxData, StubAnswer } from './stub'

/** What this file needs of the stub resolver. */
export interface Questions {
  mx(name: string): Promise<StubAnswer<MxData>>
  addresses(name: string, type: 'A' | 'AAAA'): Promise<StubAnswer<string>>
}

const cacheLimit = 50_000
/** MX hosts of one domain that are looked at; more would let a zone make us ask without end. */
const hostLimit = 20
/** A TTL of 0 would mean one query per mail; a huge one would outlive any change. Seconds. */
const [shortestTtl, longestTtl] = [1, 86_400]

export class Lookup implements Dns {
  private readonly mxAnswers: AnswerCache<MxAnswer>
  private readonly addressAnswers: AnswerCache<AddressAnswer>

  constructor(
    private readonly questions: Questions,
    private readonly now: () => number = Date.now,
    limit = cacheLimit,
  ) {
    this.mxAnswers = new AnswerCache(limit, now)
    this.addressAnswers = new AnswerCache(limit, now)
  }

  lookupMx(domain: string): Promise<MxAnswer> {
    const name = asciiOf(domain)
    return this.mxAnswers.get(name, () => this.findMx(name))
  }

  cachedMx(domain: string): MxAnswer | undefined {
    return this.mxAnswers.peek(asciiOf(domain))
  }

  lookupAddresses(name: string): Promise<AddressAnswer> {
    const host = asciiOf(name)
    return this.addressAnswers.get(host, () => this.findAddresses(host))
  }

  /** Forgets everything: the resolvers have changed. */
  clear(): void {
    this.mxAnswers.clear()
    this.addressAnswers.clear()
  }

  private async findMx(domain: string): Promise<MxAnswer> {
    if (literalOf(domain)) return this.implicit(domain, Number.POSITIVE_INFINITY)
    const answer = await this.questions.mx(domain)
    if (answer.kind === 'fault') {
      return answer.fault === 'NODATA'
        ? this.implicit(domain, this.expiry(answer.ttl))
        : { ...answer, temporary: answer.fault !== 'NXDOMAIN', expires: this.expiry(answer.ttl) }
    }
    const expires = this.expiry(answer.ttl)
    if (answer.records.every((one) => one.exchange === '')) return { kind: 'null_mx', expires }
    const named = answer.records.filter((one) => one.exchange !== '')
    const sorted = named.toSorted((a, b) => a.preference - b.preference).slice(0, hostLimit)
    return this.withAddresses(sorted, false, expires)
  }

  private implicit(domain: string, expires: number): Promise<MxAnswer> {
    return this.withAddresses([{ exchange: domain, preference: 0 }], true, expires)
  }

  private async withAddresses(records: readonly MxData[], implicit: boolean, expires: number): Promise<MxAnswer> {
    const answers = await Promise.all(records.map((one) => this.lookupAddresses(one.exchange)))
    const hosts = records.map(({ exchange, preference }, index): MxTarget => {
      const answer = answers[index]
      const found = answer?.kind === 'addresses' ? answer : { v4: [], v6: [] }
      return { name: exchange.toLowerCase(), preference, v4: found.v4, v6: found.v6 }
    })
    const soonest = Math.min(expires, ...answers.map((one) => one.expires))
    if (hosts.some((host) => host.v4.length + host.v6.length > 0)) {
      return { kind: 'hosts', hosts, implicit, expires: soonest }
    }
    const faults = answers.filter((one) => one.kind === 'fault')
    const worst = faults.find((one) => one.temporary) ?? faults[0]
    return worst
      ? { ...worst, expires: soonest }
      : { kind: 'fault', fault: 'NODATA', temporary: false, detail: 'no MX host has an address', expires: soonest }
  }

  private async findAddresses(name: string): Promise<AddressAnswer> {
    const literal = literalOf(name)
    if (literal) {
      const [v4, v6] = isIPv4(literal) ? [[literal], []] : [[], [literal]]
      return { kind: 'addresses', v4, v6, expires: Number.POSITIVE_INFINITY }
    }
    const [v4, v6] = await Promise.all([this.questions.addresses(name, 'A'), this.questions.addresses(name, 'AAAA')])
    const expires = this.expiry(Math.min(v4.ttl, v6.ttl))
    if (v4.kind === 'records' || v6.kind === 'records') {
      return { kind: 'addresses', v4: recordsOf(v4), v6: recordsOf(v6), expires }
    }
    // One family says "none" and the other could not be asked: it may have an address after all.
    const worst = [v4, v6].find((one) => one.fault === 'SERVFAIL' || one.fault === 'TIMEOUT') ?? v4
    const temporary = worst.fault === 'SERVFAIL' || worst.fault === 'TIMEOUT'
    return { kind: 'fault', fault: worst.fault, temporary, detail: worst.detail, expires }
  }

  private expiry(ttl: number): number {
    return this.now() + Math.min(Math.max(ttl, shortestTtl), longestTtl) * 1000
  }
}

const recordsOf = (answer: StubAnswer<string>): readonly string[] =>
  answer.kind === 'records' ? [...new Set(answer.records)] : []

/** `192.0.2.1`, `[192.0.2.1]`, `2001:db8::1` or `[IPv6:2001:db8::1]` (RFC 5321 4.1.3) as a plain address. */
const literalOf = (name: string): string | undefined => {
  const plain = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1).replace(/^ipv6:/, '') : name
  return isIP(plain) ? plain : undefined
}

const asciiOf = (name: string): string => {
  const plain = (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase()
  // domainToASCII answers '' for what no domain can be; DNS will say so too.
  return isAscii(plain) ? plain : domainToASCII(plain) || plain
}

const isAscii = (text: string): boolean => !/[^\x20-\x7e]/.test(text)
