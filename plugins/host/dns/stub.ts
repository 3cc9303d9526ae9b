// A stub resolver: asks the configured servers in turn, twice round, with a longer time-out the second time, and reads
// the first usable answer. NXDOMAIN, NODATA, SERVFAIL and silence are told apart; nothing is ever thrown.

import type { Answer, SoaAnswer } from 'dns-packet'

import { messageOf } from '@sluice/core/errors'

import type { DnsFault } from '../contract'
import { ask, TimeoutError, type Question, type Response, type Server } from './exchange'

export interface MxData {
  readonly exchange: string
  readonly preference: number
}

/** What came back for one question. `ttl` in seconds. */
export type StubAnswer<T> =
  | { readonly kind: 'records'; readonly records: readonly T[]; readonly ttl: number }
  | { readonly kind: 'fault'; readonly fault: DnsFault; readonly detail: string; readonly ttl: number }

const defaultTimeoutsMs = [2000, 4000]

/** Seconds a failure is remembered: long enough to spare a broken server, short enough to notice its recovery. */
const failureTtl = { SERVFAIL: 10, TIMEOUT: 5 } as const

/** Seconds a negative answer without SOA is remembered (RFC 2308 5 leaves it to us). */
const negativeTtlWithoutSoa = 60

export class Stub {
  /** @param timeoutsMs one per round: how long each server may take */
  constructor(
    private readonly servers: () => readonly Server[],
    private readonly timeoutsMs: readonly number[] = defaultTimeoutsMs,
  ) {}

  async mx(name: string): Promise<StubAnswer<MxData>> {
    return this.resolve({ name, type: 'MX' }, (record) =>
      record.type === 'MX'
        ? { exchange: trim(record.data.exchange), preference: record.data.preference ?? 0 }
        : undefined,
    )
  }

  async addresses(name: string, type: 'A' | 'AAAA'): Promise<StubAnswer<string>> {
    return this.resolve({ name, type }, (record) =>
      record.type === type && typeof record.data === 'string' ? record.data : undefined,
    )
  }

  private async resolve<T>(question: Question, pick: (record: Answer) => T | undefined): Promise<StubAnswer<T>> {
    let worst: StubAnswer<T> = fault('TIMEOUT', question, 'no resolver is configured', failureTtl.TIMEOUT)
    for (const timeoutMs of this.timeoutsMs) {
      for (const server of this.servers()) {
        const answer = await this.one(server, question, timeoutMs, pick)
        if (answer.kind === 'records' || answer.fault === 'NXDOMAIN' || answer.fault === 'NODATA') return answer
        worst = answer
      }
      // A server that says SERVFAIL has tried; only silence is worth a second round.
      if (worst.kind === 'fault' && worst.fault === 'SERVFAIL') break
    }
    return worst
  }

  private async one<T>(
    server: Server,
    question: Question,
    timeoutMs: number,
    pick: (record: Answer) => T | undefined,
  ): Promise<StubAnswer<T>> {
    try {
      return read(await ask(server, question, timeoutMs), question, pick)
    } catch (thrown) {
      const kind = thrown instanceof TimeoutError ? 'TIMEOUT' : 'SERVFAIL'
      return fault(kind, question, messageOf(thrown), failureTtl[kind])
    }
  }
}

const read = <T>(packet: Response, question: Question, pick: (record: Answer) => T | undefined): StubAnswer<T> => {
  if (packet.rcode === 'NXDOMAIN') return fault('NXDOMAIN', question, 'NXDOMAIN', negativeTtl(packet))
  if (packet.rcode !== 'NOERROR') return fault('SERVFAIL', question, packet.rcode, failureTtl.SERVFAIL)

  // The answer may lead through aliases (CNAME): only records at their end count.
  const answers = packet.answers ?? []
  const names = new Set([question.name.toLowerCase()])
  let ttl = Number.POSITIVE_INFINITY
  const records: T[] = []
  for (const record of ordered(answers, names)) {
    const value = pick(record)
    ttl = Math.min(ttl, ttlOf(record))
    if (value !== undefined) records.push(value)
  }
  if (records.length === 0) return fault('NODATA', question, 'no such record', negativeTtl(packet))
  return { kind: 'records', records, ttl }
}

/** Records that belong to `names`, following aliases in whatever order they come. */
const ordered = (answers: readonly Answer[], names: Set<string>): Answer[] => {
  const aliases = new Map(
    answers.flatMap((one) => (one.type === 'CNAME' ? [[trim(one.name).toLowerCase(), one] as const] : [])),
  )
  const chain: Answer[] = []
  for (const name of names) {
    const alias = aliases.get(name)
    if (!alias) continue
    chain.push(alias)
    names.add(trim(alias.data).toLowerCase())
  }
  return [...chain, ...answers.filter((one) => one.type !== 'CNAME' && names.has(trim(one.name).toLowerCase()))]
}

/** RFC 2308 5: the smaller of the SOA's own TTL and its minimum field. */
const negativeTtl = (packet: Response): number => {
  const soa = packet.authorities?.find((one): one is SoaAnswer => one.type === 'SOA')
  return soa ? Math.min(soa.ttl ?? 0, soa.data.minimum ?? 0) : negativeTtlWithoutSoa
}

const ttlOf = (record: Answer): number => ('ttl' in record && typeof record.ttl === 'number' ? record.ttl : 0)

const trim = (name: string): string => (name.endsWith('.') ? name.slice(0, -1) : name)

const fault = <T>(kind: DnsFault, question: Question, what: string, ttl: number): StubAnswer<T> => ({
  kind: 'fault',
  fault: kind,
  detail: `${question.type} ${question.name}: ${what}`,
  ttl,
})
