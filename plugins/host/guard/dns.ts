// Guard `dns`: mail that nobody routed finds its hosts in the cache too. Haraka asks for MX, A and AAAA of every host
// for every mail, takes any failure for "no address", and forgets why.

import type { MxTarget, NoRoute } from '../contract'
import type { HarakaHost } from '../host'
import { reply, type HarakaItem, type HarakaMx, type HarakaPlugin, type Next } from '../haraka'
import { expectShape } from './shape'

export const installDns = (haraka: HarakaPlugin, host: HarakaHost): void => {
  expectShape(haraka.haraka_require('outbound').HMailItem.prototype, {
    name: 'get_mx_respond',
    mentions: ['case constants.ok', 'case constants.denysoft', 'net_utils.get_mx(this.todo.domain)'],
  })
  const lookUp = (next: Next, hmail: HarakaItem, domain: string): void => {
    void answer(next, hmail, domain, host)
  }
  // Other plugins may know better: the last one asked.
  Object.assign(haraka, { look_up_mx: lookUp })
  haraka.register_hook('get_mx', 'look_up_mx', 100)
}

const answer = async (next: Next, hmail: HarakaItem, domain: string, host: HarakaHost): Promise<void> => {
  const found = await host.lookupMx(domain)
  if (found.kind === 'hosts') {
    next(reply.ok, inTurn(found.hosts).flatMap(mxOf))
    return
  }
  const attempt = host.attemptOf(hmail)
  if (attempt) attempt.noRoute = found.kind === 'null_mx' ? nullMx(domain) : noRouteOf(found)
  if (found.kind === 'null_mx') next(reply.ok, [{ exchange: '', priority: 0 }])
  else next(found.temporary ? reply.denysoft : reply.deny, found.detail)
}

const nullMx = (domain: string): NoRoute => ({
  kind: 'null_mx',
  permanent: true,
  enhanced: '5.1.10',
  detail: `${domain} takes no mail (null MX)`,
})

/** RFC 3463: 4.4.3 directory server failure, 5.1.2 bad destination system address. */
const noRouteOf = ({ temporary, detail }: { temporary: boolean; detail: string }): NoRoute => ({
  kind: 'dns',
  permanent: !temporary,
  enhanced: temporary ? '4.4.3' : '5.1.2',
  detail,
})

/** Hosts of equal preference in random order (RFC 5321 5.1), so that they share the load. */
const inTurn = (hosts: readonly MxTarget[]): MxTarget[] =>
  hosts
    .map((host) => ({ host, dice: Math.random() }))
    .toSorted((a, b) => a.host.preference - b.host.preference || a.dice - b.dice)
    .map(({ host }) => host)

const mxOf = ({ name, preference, v4, v6 }: MxTarget): HarakaMx[] =>
  [...v6, ...v4].map((exchange) => ({ exchange, from_dns: name, priority: preference }))
