// What a refusal leads to: from the verdict to effects, each at the scope that is to blame.
//
// Rules of the form N in T come first (the operator's, then the built-in ones), then the table of actions. Whatever a
// rule says, identity and content blame never reach a lane or a source, recipient blame reaches nobody else, and blame
// of the receiver or the connection moves nothing but the circuit breaker, or the window where there were too many.

import type { Blame, Verdict } from '../bounce/verdict'
import type { Phase } from '../outcome/record'
import type { Reaction, TriggerRule } from '../shaping/reaction'
import { minute } from '../shaping/rate'
import { blamedScope, laneOf, type Scope, type Sender } from './scope'
import { countHit, type Hits } from './trigger'

/** One refusal of one recipient. */
export interface Incident extends Sender {
  readonly verdict: Verdict
  readonly phase: Phase
  /** ms since 1970 */
  readonly at: number
  /** Id of the outcome record. */
  readonly outcome: string
}

export const effectKinds = ['rate_refused', 'connection_refused', 'blocked', 'connect_failed', 'reconnect'] as const

export interface Effect {
  /** Names of lane events; `reconnect`: only the connection it happened on is closed. */
  readonly kind: (typeof effectKinds)[number]
  readonly scope: Scope
  /** How long, ms: the provider's word, or the rule's. */
  readonly wait_ms?: number | undefined
  /** Rule that decided: of a trigger, or of the classifier. */
  readonly rule: string
  readonly reason: string
  /** Ids of outcomes. */
  readonly evidence: readonly string[]
}

export interface Response {
  readonly effect?: Effect
  /** What the scope to blame has counted now. */
  readonly hits: Hits
}

const identities: ReadonlySet<Blame> = new Set(['dkim', 'spf', 'from_domain'])
const contents: ReadonlySet<Blame> = new Set(['url', 'content', 'stream'])
const senders: ReadonlySet<Blame> = new Set(['ip', 'netblock', 'none', 'unknown'])

/** Phases at which a connection has not carried anything yet. */
const greeting: ReadonlySet<Phase> = new Set(['connect', 'banner', 'ehlo', 'starttls', 'tls', 'auth'])

const rule = (id: string, on: TriggerRule['on'], times: number, act: TriggerRule['do']): TriggerRule => ({
  id,
  on,
  times,
  within: 10 * minute,
  do: act,
})

/** After the operator's. */
const builtInTriggers: readonly TriggerRule[] = [
  rule('unknown-block', { action: ['close_lane'], blame: ['unknown', 'none'] }, 3, 'close'),
  rule(
    'identity-blocked',
    { class: ['rate_limited', 'domain_blocked'], blame: ['dkim', 'spf', 'from_domain'] },
    1,
    'hold',
  ),
  rule('identity-fails', { class: ['auth_failure'], blame: ['dkim', 'spf', 'from_domain'] }, 5, 'hold'),
  rule('stream-blocked', { action: ['pause_stream'], blame: ['stream'] }, 3, 'hold'),
  rule('content-refused', { action: ['pause_stream'], blame: ['content', 'url'] }, 10, 'hold'),
]

/** `hits` are those of the scope to blame (`blamedScope`). */
export const react = (incident: Incident, hits: Hits, reaction: Reaction): Response => {
  const { verdict } = incident
  const blamed = blamedScope(verdict.blame, incident)
  if (verdict.class === 'delivered' || blamed === undefined || blamed.kind === 'recipient') return { hits }

  const found = [...reaction.triggers, ...builtInTriggers].find((one) => matches(one, verdict))
  if (found) {
    const counted = countHit(hits, found.id, [incident.at, incident.outcome], found.times, found.within)
    const scope = scopeOf(found, blamed, incident)
    if (counted.fired.length > 0 && scope) {
      const reason = `${found.times} in ${found.within / minute} min: ${sayVerdict(verdict)}`
      const kind = kindOf(found, scope)
      const wait_ms = verdict.wait_s === undefined ? found.for : verdict.wait_s * 1000
      return { hits: counted.hits, effect: { kind, scope, wait_ms, rule: found.id, reason, evidence: counted.fired } }
    }
    hits = counted.hits
  }
  const effect = immediate(incident, blamed)
  return effect ? { hits, effect } : { hits }
}

const matches = ({ on }: TriggerRule, verdict: Verdict): boolean =>
  (on.class?.includes(verdict.class) ?? true) &&
  (on.blame?.includes(verdict.blame) ?? true) &&
  (on.action?.includes(verdict.action) ?? true) &&
  (on.rule === undefined || on.rule === verdict.rule)

/** A rule may hold the tenant or the stream instead; it can not reach a lane that is not to blame. */
const scopeOf = (found: TriggerRule, blamed: Scope, incident: Incident): Scope | undefined => {
  if (found.scope === 'tenant') return named('tenant', incident.tenant, incident)
  if (found.scope === 'stream') return named('stream', incident.stream, incident)
  return blamed
}

const named = (kind: 'tenant' | 'stream', name: string | undefined, { provider }: Incident): Scope | undefined =>
  name === undefined ? undefined : { kind, name, provider }

const kindOf = (found: TriggerRule, scope: Scope): Effect['kind'] => {
  if (scope.kind !== 'lane') return 'blocked'
  return found.do === 'narrow' ? 'connection_refused' : found.do === 'slow' ? 'rate_refused' : 'blocked'
}

const immediate = (incident: Incident, blamed: Scope): Effect | undefined => {
  const { verdict, phase } = incident
  const make = (kind: Effect['kind'], scope: Scope): Effect => ({
    kind,
    scope,
    wait_ms: verdict.wait_s === undefined ? undefined : verdict.wait_s * 1000,
    rule: verdict.rule,
    reason: sayVerdict(verdict),
    evidence: [incident.outcome],
  })
  if (verdict.action === 'new_connection') return make('reconnect', laneOf(incident))
  // Too many of our connections: nobody's reputation, but the lane's window.
  if (verdict.action === 'fewer_connections' && verdict.blame === 'connection') {
    return make('connection_refused', laneOf(incident))
  }
  if (identities.has(verdict.blame) || contents.has(verdict.blame)) return undefined
  if (!senders.has(verdict.blame)) return greeting.has(phase) ? make('connect_failed', laneOf(incident)) : undefined
  if (verdict.class === 'connection_failure' || verdict.class === 'tls_failure') {
    return greeting.has(phase) ? make('connect_failed', laneOf(incident)) : undefined
  }

  const certain = verdict.blame === 'ip' || verdict.blame === 'netblock'
  const blocked = verdict.action === 'close_lane' || (verdict.class === 'ip_blocked' && verdict.action !== 'none')
  if (blocked) return certain ? make('blocked', blamed) : make('rate_refused', laneOf(incident))
  if (
    verdict.action !== 'slow_down' &&
    verdict.action !== 'fewer_connections' &&
    !(certain && verdict.class === 'rate_limited')
  ) {
    return undefined
  }
  // A netblock that is slowed as a whole recovers as a whole: closed, one connection, one more at a time.
  if (blamed.kind === 'netblock') return make('blocked', blamed)
  return make(verdict.action === 'fewer_connections' ? 'connection_refused' : 'rate_refused', laneOf(incident))
}

const sayVerdict = ({ class: name, blame, rule: id }: Verdict): string => `${name}, blame ${blame} (${id})`

/** The effects of one attempt, each kind once per scope: ten recipients refused for one reason are one refusal. */
export const mergeEffects = (effects: readonly Effect[]): Effect[] => {
  const merged = new Map<string, Effect>()
  for (const effect of effects) {
    const key = `${effect.kind} ${effect.scope.kind} ${effect.scope.name} ${effect.scope.provider}`
    const known = merged.get(key)
    merged.set(key, known ? join(known, effect) : effect)
  }
  return [...merged.values()]
}

const join = (a: Effect, b: Effect): Effect => ({
  ...a,
  wait_ms: a.wait_ms === undefined ? b.wait_ms : Math.max(a.wait_ms, b.wait_ms ?? 0),
  evidence: [...new Set([...a.evidence, ...b.evidence])],
})
