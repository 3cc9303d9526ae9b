// What became of one recipient in one transaction: the answer that decided it and the phase it came in.

import type { Phase } from '@sluice/core/outcome/record'

import { fault, isPositive, type Answer, type Fault } from './reply'

export interface Fate {
  readonly phase: Phase
  readonly answer: Answer
}

export type Verdict = 'delivered' | 'deferred' | 'bounced'

/** A fault is never the recipient's: it defers. */
export const verdictOf = ({ phase, answer }: Fate): Verdict => {
  if (answer.kind === 'fault') return 'deferred'
  if (answer.code >= 500) return 'bounced'
  return phase === 'dot' && isPositive(answer) ? 'delivered' : 'deferred'
}

/** Nothing was handed over, and another host may take it: the connection failed before the dot. */
export const mayTryElsewhere = ({ phase, answer }: Fate): boolean =>
  answer.kind === 'fault' && answer.what !== 'local' && phase !== 'dot'

/** A refusal of our own, in the words of the reply the receiver would have given. */
export const refusedHere = (phase: Phase, line: string): Fate => ({
  phase,
  answer: { kind: 'reply', code: Number(line.slice(0, 3)), enhanced: line.slice(4, 9), lines: [line] },
})

/** 552 to RCPT was RFC 821's "too many recipients": temporary (RFC 5321 4.5.3.1.10). */
export const tooManyIsTemporary = (answer: Answer): Answer => {
  if (answer.kind !== 'reply' || answer.code !== 552) return answer
  const saysSo = answer.enhanced === '5.5.3' || /too many recipients/i.test(answer.lines.join(' '))
  return saysSo ? { ...answer, code: 452 } : answer
}

/** A reply that makes no sense where it came. */
export const unexpected = (answer: Answer): Fault =>
  fault('protocol', `unexpected reply: ${answer.kind === 'reply' ? answer.lines.join(' ') : answer.text}`)
