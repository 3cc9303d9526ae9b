// What a behaviour is: at named stages of the dialogue it looks at the situation and either lets it pass (undefined) or
// decides how it ends. Behaviours are pure: time is in the situation, dice are seeded, state is their own.
// A provider asks its behaviours in the order of the catalogue; the first decision stands.

import type { z } from 'zod'

import { drawOf } from '../dice'
import type { Listing } from './listing'
import type { Reply, ReplyFacts } from './reply'

/** In the order of the dialogue. `data` is the DATA command, `dot` the end of the message. */
export const stages = ['banner', 'ehlo', 'starttls', 'mail', 'rcpt', 'data', 'dot'] as const
export type Stage = (typeof stages)[number]

export interface Message {
  /** bytes, as sent */
  readonly size: number
  /** The first bytes of the message (header and the beginning of the body). */
  readonly begin: Buffer
}

/** What a behaviour may know. Valid during the call only. */
export interface Situation extends ReplyFacts {
  /** Admitted connections of this client IP at the provider, this one included. */
  readonly open: number
  readonly tls: boolean
  /** Number of the message on its connection, from 1 at the first MAIL. */
  readonly nth: number
  /** Recipients accepted in this transaction so far. */
  readonly accepted: number
  /** At `dot` only. */
  readonly message: Message | undefined
}

/** close: end the connection without a word; reset: RST; silence: never answer again. */
export const disruptions = ['close', 'reset', 'silence'] as const
export type Disruption = (typeof disruptions)[number]

export type Decision = { readonly by: string } & (
  { readonly end: 'reply'; readonly reply: Reply } | { readonly end: Disruption }
)

export interface Behaviour {
  readonly stages: readonly Stage[]
  decide(stage: Stage, situation: Situation): Decision | undefined
  /** Told of every decision of the provider, its own too. */
  learn?(decision: Decision, situation: Situation): void
}

export interface Surroundings {
  readonly seed: string
  readonly provider: string
  /** The provider's block list; it outlives a change of behaviours. */
  readonly listing: Listing
  /** When the behaviour comes into force, ms since 1970. */
  readonly since: number
}

export interface BehaviourKind {
  readonly options: z.ZodType
  /** @throws ZodError where the options are not valid */
  readonly create: (options: unknown, surroundings: Surroundings) => Behaviour
}

/** Ties the options' schema to the behaviour built from them. */
export const defineBehaviour = <S extends z.ZodType>(
  options: S,
  build: (options: z.output<S>, surroundings: Surroundings) => Behaviour,
): { readonly options: S; readonly create: BehaviourKind['create'] } => ({
  options,
  create: (raw, surroundings) => build(options.parse(raw), surroundings),
})

/** An address falls into a share of all addresses, or not, for ever. `salt` keeps behaviours apart. */
export const inShare = (share: number, salt: string, { seed, provider }: Surroundings, address: string): boolean =>
  share > 0 && drawOf(seed, provider, salt, address.toLowerCase()) < share
