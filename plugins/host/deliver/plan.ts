// Where one attempt may go: the addresses in the order to try, how long connections are kept, and which lease pays.
// From the route that egress chose, or, for mail nobody routed, from the MX list that Haraka made.

import type { Lease, Route, Timeouts } from '../contract'
import type { HarakaItem, HarakaMx, Outbound, OutboundConfig, OutboundTls } from '../haraka'
import type { Keeping } from '../smtp/pool'
import type { Target } from '../smtp/session'

export interface Plan {
  readonly targets: readonly Target[]
  readonly keeping: Keeping
  /** Recipients that one message may have. */
  readonly recipients: number
  readonly lease?: Lease
}

/** Addresses tried in one attempt; a zone with a thousand dead addresses must not hold a slot for days. */
const targetLimit = 10

const minute = 60_000

/** RFC 5321 4.5.3.2; ms. The RFC has no value for connect; 30 s is what most senders wait. */
export const defaultTimeouts: Timeouts = {
  connect: 30_000,
  banner: 5 * minute,
  mail: 5 * minute,
  rcpt: 5 * minute,
  data: 2 * minute,
  block: 3 * minute,
  dot: 10 * minute,
}

export const planOfRoute = (route: Route): Plan => ({
  targets: route.hosts
    .flatMap((host) =>
      host.addresses.map((address): Target => {
        const bind = address.includes(':') ? route.bind.v6 : route.bind.v4
        return {
          host: host.name,
          address,
          port: host.port,
          ehlo: route.ehlo,
          tls: host.tls,
          verify: host.verify ?? false,
          credentialsInClear: host.tls === 'none',
          source: route.source,
          timeouts: route.timeouts,
          ...(bind ? { bind } : {}),
          ...(host.auth ? { credentials: host.auth } : {}),
        }
      }),
    )
    .slice(0, targetLimit),
  keeping: {
    lane: route.lane,
    idle_ms: route.idle_ms,
    messages: route.messages_per_connection,
  },
  recipients: route.recipients_per_message,
  lease: route.lease,
})

/** Mail without a route: nobody limits its connections, so few are kept, and not for long. */
const keepingUnrouted: Keeping = { lane: '', idle_ms: 5000, messages: 100 }

/** What this file needs of Haraka. */
export interface HarakaSettings {
  readonly outbound: Pick<Outbound, 'net_utils'>
  readonly config: OutboundConfig
  readonly tls: OutboundTls
}

/** Whether Haraka's own client must deliver: LMTP and unix sockets are not spoken here. */
export const isForeign = (mx: HarakaMx): boolean => mx.using_lmtp === true || mx.path !== undefined

export const planOfMxList = async (hmail: HarakaItem, haraka: HarakaSettings): Promise<Plan> => {
  const list = hmail.mxlist.splice(0)
  const local = await Promise.all(list.map((mx) => leadsHome(mx, haraka)))
  const targets = list.filter((_, index) => !local[index]).map((mx) => targetOf(mx, hmail, haraka))
  return { targets: targets.slice(0, targetLimit), keeping: keepingUnrouted, recipients: Infinity }
}

/** Mail for ourselves would go round in circles (outbound.ini local_mx_ok). */
const leadsHome = async (mx: HarakaMx, { outbound, config }: HarakaSettings): Promise<boolean> =>
  !config.cfg.local_mx_ok && Boolean(mx.from_dns) && (await outbound.net_utils.is_local_host(mx.exchange ?? ''))

const targetOf = (mx: HarakaMx, hmail: HarakaItem, haraka: HarakaSettings): Target => {
  const forced = hmail.get_force_tls(mx)
  const { outbound_ip, outbound_helo } = hmail.todo.notes
  const bind = mx.bind ?? (typeof outbound_ip === 'string' ? outbound_ip : undefined)
  const address = mx.exchange ?? ''
  return {
    host: mx.from_dns ?? address,
    address,
    port: mx.port ?? 25,
    // Haraka leaves the name out when it believes to be under test.
    ehlo:
      typeof outbound_helo === 'string'
        ? outbound_helo
        : mx.bind_helo || haraka.outbound.net_utils.get_primary_host_name(),
    tls: forced ? 'required' : wantsTls(mx, hmail, haraka) ? 'opportunistic' : 'none',
    // Haraka's force_tls_hosts has always meant a valid certificate.
    verify: forced,
    credentialsInClear: true,
    source: '',
    timeouts: defaultTimeouts,
    ...(bind ? { bind } : {}),
    ...(mx.auth_user && mx.auth_pass ? { credentials: { username: mx.auth_user, password: mx.auth_pass } } : {}),
  }
}

const wantsTls = (mx: HarakaMx, hmail: HarakaItem, { outbound, config, tls }: HarakaSettings): boolean => {
  if (!config.cfg.enable_tls || !tls.cfg) return false
  const without = tls.cfg.no_tls_hosts
  const listed = (name: string): boolean => outbound.net_utils.ip_in_list(without, name)
  return !listed(mx.exchange ?? '') && !listed(hmail.todo.domain)
}
