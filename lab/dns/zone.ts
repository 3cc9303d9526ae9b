// What the model internet's DNS says: a pure function from a question to an answer. Everything under .test that the
// internet does not define, and every other name, does not exist (NXDOMAIN with SOA, so that it is cached: RFC 2308).

import type { Internet } from '../internet/schema'

export type RecordData =
  | { readonly type: 'A'; readonly data: string }
  | { readonly type: 'MX'; readonly data: { readonly preference: number; readonly exchange: string } }
  | { readonly type: 'TXT'; readonly data: string }
  | { readonly type: 'NS'; readonly data: string }
  | { readonly type: 'SOA'; readonly data: SoaData }

interface SoaData {
  readonly mname: string
  readonly rname: string
  readonly serial: number
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  readonly minimum: number
}

export type ZoneRecord = RecordData & { readonly name: string; readonly ttl: number }

/** drop: say nothing at all, so that the resolver times out. */
export type ZoneAnswer =
  | {
      readonly end: 'answer'
      readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL'
      readonly records: readonly ZoneRecord[]
      readonly authority: readonly ZoneRecord[]
    }
  | { readonly end: 'drop' }

export type Zone = (name: string, type: string) => ZoneAnswer

const nameserver = 'ns.receiver-lab.test'

/** Compiles the internet into its DNS. Names are compared without regard to case. */
export const zoneOf = ({ dns, providers, domains }: Internet): Zone => {
  const names = new Map<string, RecordData[]>()
  const trouble = new Map<string, 'servfail' | 'drop'>()
  const add = (name: string, ...records: RecordData[]): void => {
    names.set(name, [...(names.get(name) ?? []), ...records])
  }
  const addDomain = (name: string, records: readonly RecordData[]): void =>
    add(name, ...records, { type: 'TXT', data: 'v=spf1 ?all' }, { type: 'NS', data: nameserver }, soa(name))
  const soa = (zone: string): RecordData => ({ type: 'SOA', data: soaData(zone, dns.negative_ttl_s) })

  const mxOf = (provider: string): RecordData[] =>
    (providers[provider]?.mx ?? []).map(({ host, preference }) => ({
      type: 'MX',
      data: { preference, exchange: host },
    }))

  add(nameserver, { type: 'A', data: '127.0.0.1' })
  for (const [id, { mx, domains: own }] of Object.entries(providers)) {
    for (const { host, address } of mx) add(host, { type: 'A', data: address })
    for (const name of own) addDomain(name, mxOf(id))
  }
  for (const [name, spec] of Object.entries(domains)) {
    if (spec.dns === 'servfail' || spec.dns === 'drop') trouble.set(name, spec.dns)
    else if (spec.dns === 'null_mx') addDomain(name, [{ type: 'MX', data: { preference: 0, exchange: '.' } }])
    else if (spec.dns === 'no_address')
      addDomain(name, [{ type: 'MX', data: { preference: 10, exchange: `mx.${name}` } }])
    else if (spec.implicit_mx) {
      const first = providers[spec.provider ?? '']?.mx[0]
      addDomain(name, first ? [{ type: 'A', data: first.address }] : [])
    } else addDomain(name, mxOf(spec.provider ?? ''))
    // the exchange of a no_address domain exists, but has no address
    if (spec.dns === 'no_address') add(`mx.${name}`, { type: 'TXT', data: 'no address on purpose' })
  }
  const existing = withAncestors(names.keys())

  return (asked, type) => {
    const name = asked.toLowerCase().replace(/\.$/, '')
    const fault = firstOf(ancestry(name), (part) => trouble.get(part))
    if (fault === 'drop') return { end: 'drop' }
    if (fault === 'servfail') return { end: 'answer', rcode: 'SERVFAIL', records: [], authority: [] }

    const all = names.get(name) ?? []
    const records = all.filter((record) => record.type === type || type === 'ANY')
    const withName = (record: RecordData, owner: string, ttl: number): ZoneRecord => ({ ...record, name: owner, ttl })
    if (records.length > 0) {
      return {
        end: 'answer',
        rcode: 'NOERROR',
        records: records.map((r) => withName(r, asked, dns.ttl_s)),
        authority: [],
      }
    }
    const zone =
      firstOf(ancestry(name), (part) => (names.get(part)?.some((r) => r.type === 'SOA') ? part : undefined)) ?? 'test'
    const authority = [withName(soa(zone), zone, dns.negative_ttl_s)]
    return { end: 'answer', rcode: existing.has(name) ? 'NOERROR' : 'NXDOMAIN', records: [], authority }
  }
}

const soaData = (zone: string, minimum: number): SoaData => ({
  mname: nameserver,
  rname: `hostmaster.${zone}`,
  serial: 1,
  refresh: 3600,
  retry: 600,
  expire: 86_400,
  minimum,
})

/** `a.b.test` -> `a.b.test`, `b.test`, `test`. */
const ancestry = (name: string): string[] => {
  const labels = name.split('.')
  return labels.map((_, i) => labels.slice(i).join('.'))
}

/** Names in between exist too, without records (RFC 8020). */
const withAncestors = (names: Iterable<string>): Set<string> => new Set([...names].flatMap(ancestry))

const firstOf = <T, R>(list: readonly T[], pick: (one: T) => R | undefined): R | undefined => {
  for (const one of list) {
    const found = pick(one)
    if (found !== undefined) return found
  }
  return undefined
}
