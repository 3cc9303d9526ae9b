// Where mail goes, from canned DNS answers and a clock of our own.

import { describe, expect, test } from 'vitest'

import { Lookup, type Questions } from '../../../plugins/host/dns/lookup'
import type { MxData, StubAnswer } from '../../../plugins/host/dns/stub'

const records = <T>(list: readonly T[], ttl = 300): StubAnswer<T> => ({ kind: 'records', records: list, ttl })
const fault = (kind: 'NXDOMAIN' | 'NODATA' | 'SERVFAIL' | 'TIMEOUT', ttl = 60): StubAnswer<never> => ({
  kind: 'fault',
  fault: kind,
  detail: kind,
  ttl,
})

class Zone implements Questions {
  readonly asked: string[] = []
  constructor(private readonly answers: Record<string, StubAnswer<MxData> | StubAnswer<string>>) {}

  mx(name: string): Promise<StubAnswer<MxData>> {
    return this.answer(`MX ${name}`) as Promise<StubAnswer<MxData>>
  }

  addresses(name: string, type: 'A' | 'AAAA'): Promise<StubAnswer<string>> {
    return this.answer(`${type} ${name}`) as Promise<StubAnswer<string>>
  }

  private answer(key: string): Promise<unknown> {
    this.asked.push(key)
    return Promise.resolve(this.answers[key] ?? fault('NODATA'))
  }
}

const clock = (start = 0) => {
  const state = { ms: start }
  return { state, now: () => state.ms }
}

describe('lookupMx', () => {
  test('sorts hosts by preference and gives both families', async () => {
    const zone = new Zone({
      'MX d.test': records([
        { exchange: 'B.d.test', preference: 20 },
        { exchange: 'a.d.test', preference: 10 },
      ]),
      'A a.d.test': records(['192.0.2.1'], 100),
      'AAAA a.d.test': records(['2001:db8::1']),
      'A B.d.test': records(['192.0.2.2']),
      'A b.d.test': records(['192.0.2.2']),
    })
    const answer = await new Lookup(zone, clock().now).lookupMx('D.test.')
    expect(answer).toEqual({
      kind: 'hosts',
      implicit: false,
      // AAAA of the second host has no answer: remembered for 60 s, the shortest of all.
      expires: 60_000,
      hosts: [
        { name: 'a.d.test', preference: 10, v4: ['192.0.2.1'], v6: ['2001:db8::1'] },
        { name: 'b.d.test', preference: 20, v4: ['192.0.2.2'], v6: [] },
      ],
    })
  })

  test('asks once for many mails, and again when the TTL has passed', async () => {
    const zone = new Zone({
      'MX d.test': records([{ exchange: 'a.d.test', preference: 10 }], 5),
      'A a.d.test': records(['192.0.2.1'], 5),
      'AAAA a.d.test': records(['2001:db8::1'], 5),
    })
    const { state, now } = clock()
    const lookup = new Lookup(zone, now)
    await Promise.all(Array.from({ length: 50 }, () => lookup.lookupMx('d.test')))
    await lookup.lookupMx('d.test')
    expect(zone.asked).toHaveLength(3)
    expect(lookup.cachedMx('d.test')?.kind).toBe('hosts')
    state.ms = 5000
    expect(lookup.cachedMx('d.test')).toBeUndefined()
    await lookup.lookupMx('d.test')
    expect(zone.asked).toHaveLength(6)
  })

  test('the domain itself takes mail where it has an address and no MX', async () => {
    const zone = new Zone({ 'A d.test': records(['192.0.2.1']) })
    expect(await new Lookup(zone, clock().now).lookupMx('d.test')).toMatchObject({
      kind: 'hosts',
      implicit: true,
      hosts: [{ name: 'd.test', preference: 0, v4: ['192.0.2.1'], v6: [] }],
    })
  })

  test('a null MX is nowhere', async () => {
    const zone = new Zone({ 'MX d.test': records([{ exchange: '', preference: 0 }]) })
    expect(await new Lookup(zone, clock().now).lookupMx('d.test')).toMatchObject({ kind: 'null_mx' })
  })

  test.each([
    ['NXDOMAIN', false],
    ['SERVFAIL', true],
    ['TIMEOUT', true],
  ] as const)('%s of the domain is told as such and remembered', async (kind, temporary) => {
    const zone = new Zone({ 'MX d.test': fault(kind, 30) })
    const lookup = new Lookup(zone, clock().now)
    expect(await lookup.lookupMx('d.test')).toMatchObject({ kind: 'fault', fault: kind, temporary, expires: 30_000 })
    await lookup.lookupMx('d.test')
    expect(zone.asked).toEqual(['MX d.test'])
  })

  test('no MX and no address is a permanent NODATA', async () => {
    expect(await new Lookup(new Zone({}), clock().now).lookupMx('d.test')).toMatchObject({
      fault: 'NODATA',
      temporary: false,
    })
  })

  test('a host that cannot be looked up does not hide the one that can', async () => {
    const zone = new Zone({
      'MX d.test': records([
        { exchange: 'a.d.test', preference: 10 },
        { exchange: 'b.d.test', preference: 20 },
      ]),
      'A a.d.test': fault('SERVFAIL'),
      'A b.d.test': records(['192.0.2.2']),
    })
    const answer = await new Lookup(zone, clock().now).lookupMx('d.test')
    expect(answer).toMatchObject({ kind: 'hosts', hosts: [{ v4: [] }, { v4: ['192.0.2.2'] }] })
  })

  test('hosts of which none can be looked up are a temporary fault', async () => {
    const zone = new Zone({
      'MX d.test': records([
        { exchange: 'a.d.test', preference: 10 },
        { exchange: 'b.d.test', preference: 20 },
      ]),
      'A a.d.test': fault('NXDOMAIN'),
      'AAAA a.d.test': fault('NXDOMAIN'),
      'A b.d.test': fault('TIMEOUT', 5),
      'AAAA b.d.test': fault('TIMEOUT', 5),
    })
    const answer = await new Lookup(zone, clock().now).lookupMx('d.test')
    expect(answer).toMatchObject({ kind: 'fault', fault: 'TIMEOUT', temporary: true, expires: 5000 })
  })

  test.each([
    ['[192.0.2.7]', ['192.0.2.7'], []],
    ['[IPv6:2001:db8::7]', [], ['2001:db8::7']],
  ])('%s is its own address', async (domain, v4, v6) => {
    const zone = new Zone({})
    expect(await new Lookup(zone, clock().now).lookupMx(domain)).toMatchObject({ kind: 'hosts', hosts: [{ v4, v6 }] })
    expect(zone.asked).toEqual([])
  })

  test('names in other scripts are asked for in their ASCII form', async () => {
    const zone = new Zone({})
    await new Lookup(zone, clock().now).lookupMx('Bücher.test')
    expect(zone.asked[0]).toBe('MX xn--bcher-kva.test')
  })

  test('the cache is bounded', async () => {
    const zone = new Zone({})
    const lookup = new Lookup(zone, clock().now, 3)
    for (const name of ['a', 'b', 'c', 'd']) await lookup.lookupMx(`${name}.test`)
    expect(lookup.cachedMx('a.test')).toBeUndefined()
    expect(lookup.cachedMx('d.test')).toBeDefined()
  })
})
