// Tries an egress source for real, from the machine it runs on: its addresses, the names behind them, the way to a
// receiver or to the relay, banner, EHLO, TLS, AUTH; then QUIT, before any mail. Step by step, each with what was seen;
// what goes wrong ends the way it is on, and nothing is thrown for it.

import { createServer, isIPv6 } from 'node:net'

import { isRelay, type EgressSource } from '@sluice/core/config/egress'
import { messageOf } from '@sluice/core/errors'

import { Dialogue, type Reply } from './dialogue'
import { login, type Credentials } from './login'
import type { Names } from './names'

export interface Step {
  readonly name: string
  /** `note`: worth knowing, no reason for mail not to go. */
  readonly result: 'ok' | 'failed' | 'note'
  readonly says: string
}

export interface ProbePlan {
  readonly source: EgressSource
  /** EHLO name of a relay that has none of its own. */
  readonly me: string
  /** Who is asked where the source is no relay: a domain or a host. */
  readonly to: string
  readonly port: number
  readonly tls: 'none' | 'opportunistic' | 'required'
  readonly credentials?: Credentials
  readonly names: Names
  readonly timeoutMs: number
  /** Called as soon as a step is over. */
  readonly tell: (step: Step) => void
}

/** @returns whether mail could go: every address of the source was there and led to a server that let us in */
export const probe = async (plan: ProbePlan): Promise<boolean> => {
  const { source, tell } = plan
  const locals = isRelay(source) ? (source.ip === undefined ? [undefined] : [source.ip]) : source.ip
  let good = true
  const failed = (name: string, says: string): void => {
    good = false
    tell({ name, result: 'failed', says })
  }
  const hosts = await hostsOf(plan).catch((error: unknown) => {
    failed('route', messageOf(error))
    return []
  })
  for (const local of locals) {
    if (local !== undefined && !(await isHere(local, failed, tell))) continue
    if (local !== undefined) await checkNames(local, plan)
    const family = local === undefined ? () => true : (ip: string) => isIPv6(ip) === isIPv6(local)
    const reachable = hosts.flatMap(({ name, addresses }) => addresses.filter(family).map((ip) => ({ name, ip })))
    const [first] = reachable
    if (first) {
      tell({
        name: 'route',
        result: 'ok',
        says: `${first.name} [${first.ip}]:${plan.port}, ${reachable.length} address(es)`,
      })
      await talk({ ...plan, ...first, local }, failed)
    } else if (hosts.length > 0) {
      failed('route', `no host of ${plan.to} has an address of the family of ${local ?? 'this machine'}`)
    }
  }
  return good
}

type Failed = (name: string, says: string) => void

const hostsOf = async ({ source, to, names }: ProbePlan) => {
  if (isRelay(source)) {
    const { host } = source.relay
    const addresses = await names.addresses(host)
    if (addresses.length === 0) throw new Error(`the relay ${host} has no address`)
    return [{ name: host, addresses }]
  }
  const hosts = await names.mailHosts(to)
  if (hosts.every(({ addresses }) => addresses.length === 0)) throw new Error(`${to} has no host that takes mail`)
  return hosts
}

/** Whether the address is one of this machine's, found out by taking it. */
const isHere = async (local: string, failed: Failed, tell: ProbePlan['tell']): Promise<boolean> => {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: local, port: 0 }, resolve)
    })
    tell({ name: 'address', result: 'ok', says: `${local} is an address of this machine` })
    return true
  } catch (error) {
    failed('address', `${local} cannot be used on this machine: ${messageOf(error)}`)
    return false
  } finally {
    server.close()
  }
}

/** Receivers like the name behind an address to be the one that EHLO says, and to lead back to it (RFC 1912 2.1). */
const checkNames = async (local: string, { source, names, tell }: ProbePlan): Promise<void> => {
  const ehlo = source.ehlo ?? ''
  try {
    const pointers = await names.reverse(local)
    const back = ehlo === '' ? [] : await names.addresses(ehlo)
    const match = pointers.includes(ehlo) && back.includes(local)
    const says = [
      `${local} is called ${pointers.join(', ') || '(no PTR)'}`,
      `EHLO says ${ehlo || '(nothing of its own)'}, which has ${back.join(', ') || 'no address'}`,
    ].join('; ')
    tell({ name: 'names', result: match ? 'ok' : 'note', says })
  } catch (error) {
    tell({ name: 'names', result: 'note', says: `PTR of ${local}: ${messageOf(error)}` })
  }
}

interface Way extends ProbePlan {
  readonly name: string
  readonly ip: string
  readonly local: string | undefined
}

const talk = async (way: Way, failed: Failed): Promise<void> => {
  const { tell, timeoutMs } = way
  let step = 'connect'
  let dialogue: Dialogue | undefined
  try {
    const begun = performance.now()
    dialogue = await Dialogue.connect(way.local, way.ip, way.port, timeoutMs)
    tell({ name: step, result: 'ok', says: `from ${dialogue.local} in ${Math.round(performance.now() - begun)} ms` })
    step = 'banner'
    tell({ name: step, result: 'ok', says: expect(await dialogue.reply(), 220) })
    step = 'EHLO'
    let offers = await greet(dialogue, way)
    step = 'TLS'
    const secured = await secure(dialogue, way, offers)
    if (secured) offers = await greet(dialogue, way)
    step = 'AUTH'
    await authenticate(dialogue, way, offers, secured)
  } catch (error) {
    failed(step, messageOf(error))
  } finally {
    await dialogue?.quit()
  }
}

/** @returns what the server offers, upper case */
const greet = async (dialogue: Dialogue, { source, me, tell }: Way): Promise<string[]> => {
  const name = source.ehlo ?? me
  const reply = await dialogue.say(`EHLO ${name}`)
  expect(reply, 250)
  const offers = reply.lines.slice(1).map((line) => line.slice(4).toUpperCase())
  tell({ name: 'EHLO', result: 'ok', says: `${name}: offered ${offers.join(', ') || 'nothing'}` })
  return offers
}

/** @returns whether the channel is secured now */
const secure = async (dialogue: Dialogue, way: Way, offers: readonly string[]): Promise<boolean> => {
  const { tls, tell, name } = way
  if (tls === 'none') {
    tell({ name: 'TLS', result: 'ok', says: 'none, as configured' })
    return false
  }
  if (!offers.includes('STARTTLS')) {
    if (tls === 'required') throw new Error('required, but STARTTLS is not offered')
    tell({ name: 'TLS', result: 'note', says: 'STARTTLS is not offered: mail goes in the clear' })
    return false
  }
  expect(await dialogue.say('STARTTLS'), 220)
  const { channel, subject, doubt } = await dialogue.secure(name)
  tell({ name: 'TLS', result: 'ok', says: `${channel}, certificate of ${subject || '(nobody)'}` })
  // Mail does not ask for a valid certificate: an MX host's name proves nothing without DNSSEC.
  if (doubt !== '') tell({ name: 'TLS', result: 'note', says: `the certificate is not valid for ${name}: ${doubt}` })
  return true
}

const authenticate = async (
  dialogue: Dialogue,
  way: Way,
  offers: readonly string[],
  secured: boolean,
): Promise<void> => {
  const { credentials, tls, tell } = way
  if (!credentials) return
  const offered =
    offers
      .find((line) => line.startsWith('AUTH '))
      ?.slice(5)
      .split(/\s+/) ?? []
  const { mechanism, reply } = await login(dialogue, credentials, offered, secured || tls === 'none')
  tell({ name: 'AUTH', result: 'ok', says: `${mechanism} as ${credentials.username}: ${expect(reply, 235)}` })
}

/** The reply for people. @throws Error where it is another one */
const expect = ({ code, lines }: Reply, wanted: number): string => {
  const says = lines.join(' / ')
  if (code !== wanted) throw new Error(says)
  return says
}
