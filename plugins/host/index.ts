// The Haraka plugin `sluice-host`: list it before the other Sluice plugins. What they rely on is `host`, typed in
// contract.ts. Hooks here call next() synchronously and exactly once; the plugin has no time-out.

import { evidenceOfDelivery, wipeNotes } from './attempt/evidence'
import { refusedRecipients, type Failure } from './attempt/failure'
import { HarakaHost, harakaConfigFolder } from './host'
import { installGuards } from './guard/guards'
import { expectParking } from './parking'
import type { Host, MxHost, RecipientResult, Route } from './contract'
import { reply, type HarakaItem, type HarakaMx, type HarakaPlugin, type HarakaRecipient, type Next } from './haraka'

export * from './contract'
export { RedisLink, type LinkLog, type LinkOptions } from './redis/link'
export { readSecret } from './secret'
export { uuid7 } from './uuid'

const haraka = new HarakaHost(harakaConfigFolder())

export const host: Host = haraka

export function register(this: HarakaPlugin): void {
  this.timeout = 0
  haraka.attach(this)
  haraka.configuration.start()
  // Egress parks; without it nobody does, and a Haraka that is strange in that place is none of our business.
  if (haraka.configuration.current.egress) expectParking(this)
  installGuards(this, haraka)

  this.register_hook('send_email', 'begin_unless_begun', 100)
  this.register_hook('get_mx', 'route_of_attempt', -100)
  this.register_hook('delivered', 'settle_delivered', -100)
  this.register_hook('deferred', 'settle_deferred', -100)
  this.register_hook('bounce', 'settle_bounced', -100)
}

/** Without egress nobody else begins the attempt. */
export function begin_unless_begun(next: Next, hmail: HarakaItem): void {
  if (!haraka.attemptOf(hmail)) haraka.begin(hmail)
  wipeNotes(hmail)
  next()
}

export function route_of_attempt(next: Next, hmail: HarakaItem): void {
  const { route, noRoute } = haraka.attemptOf(hmail) ?? {}
  if (route)
    next(
      reply.ok,
      route.hosts.flatMap((one) => mxOf(one, route)),
    )
  else if (noRoute?.kind === 'null_mx') next(reply.ok, [{ exchange: '', priority: 0 }])
  else if (noRoute) next(noRoute.permanent ? reply.deny : reply.denysoft, noRoute.detail)
  else next()
}

const mxOf = (one: MxHost, route: Route): HarakaMx[] =>
  one.addresses.map((address) => {
    const bind = address.includes(':') ? route.bind.v6 : route.bind.v4
    return {
      exchange: address,
      from_dns: one.name,
      port: one.port,
      priority: 0,
      bind_helo: route.ehlo,
      ...(bind ? { bind } : {}),
      ...(one.auth ? { auth_user: one.auth.username, auth_pass: one.auth.password } : {}),
    }
  })

type Delivery = [string, string, string, number, number | string, string, HarakaRecipient[]]

export function settle_delivered(next: Next, hmail: HarakaItem, delivery: Delivery): void {
  const attempt = haraka.attemptOf(hmail)
  if (attempt) {
    const [host, ip, response, delay, port, , accepted] = delivery
    for (const { address } of accepted) {
      const evidence =
        haraka.attempts.sight(hmail, address) ??
        evidenceOfDelivery([host, ip, response, delay, port], attempt.started, Date.now())
      haraka.attempts.result(hmail, { address, kind: 'delivered', evidence })
    }
  }
  next()
}

interface Deferral {
  readonly err: unknown
  readonly mx?: HarakaMx
  readonly fail_recips?: readonly HarakaRecipient[]
}

export function settle_deferred(next: Next, hmail: HarakaItem, deferral: Deferral): void {
  const { fail_recips: recipients = hmail.todo.rcpt_to, mx, err } = deferral
  fail(hmail, 'deferred', { recipients, mx, said: String(err) })
  next()
}

type Bounce = Error & { mx?: HarakaMx; bounced_rcpt?: readonly HarakaRecipient[] }

export function settle_bounced(next: Next, hmail: HarakaItem, error: Bounce): void {
  // convert_temp_failed_to_bounce (hmail.js) says so in its own words; no remote text can begin like that.
  const over = haraka.retries.hasExpired(hmail) || error.message.startsWith('Too many failures (')
  const { bounced_rcpt: recipients = hmail.todo.rcpt_to, mx, message } = error
  fail(hmail, over ? 'expired' : 'bounced', { recipients, mx, said: message })
  next()
}

const fail = (hmail: HarakaItem, kind: Exclude<RecipientResult['kind'], 'delivered'>, failure: Failure): void => {
  for (const { address, evidence } of refusedRecipients(haraka.attempts, hmail, failure)) {
    haraka.attempts.result(hmail, { address, kind, evidence })
  }
}

export function shutdown(): void {
  void haraka.close()
}
