// A situation to judge, with the fields a test does not care about filled in.

import type { Behaviour, Decision, Situation, Stage, Surroundings } from '@sluice/lab/behaviour/behaviour'
import { Listing } from '@sluice/lab/behaviour/listing'

export const situation = (over: Partial<Situation> = {}): Situation => ({
  ip: '127.0.0.5',
  netblock: '127.0.0.0/24',
  host: 'mx.one.test',
  ehlo: 'out.example',
  sender: 'a@sender.example',
  recipient: 'b@one.test',
  id: 'ID1',
  now: 1_000_000,
  open: 1,
  tls: false,
  nth: 1,
  accepted: 0,
  message: undefined,
  ...over,
})

export const surroundings = (over: Partial<Surroundings> = {}): Surroundings => ({
  seed: 'seed',
  provider: 'one',
  listing: new Listing(),
  since: 1_000_000,
  ...over,
})

/** The reply text of a refusal, the way the connection ends otherwise, or `pass`. */
export const told = (decision: Decision | undefined): string =>
  decision === undefined ? 'pass' : decision.end === 'reply' ? decision.reply.text : decision.end

export const ask = (behaviour: Behaviour, stage: Stage, over: Partial<Situation> = {}): string =>
  told(behaviour.decide(stage, situation(over)))
