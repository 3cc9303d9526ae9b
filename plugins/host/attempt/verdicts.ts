// What replies mean, by the rules in force. Whoever records, schedules or reacts asks here, so that a reply is judged
// once and everybody goes by the same verdict.

import { classify, type RuleSet } from '@sluice/core/bounce/classify'
import type { Verdict } from '@sluice/core/bounce/verdict'

import type { Attempt, Evidence } from '../contract'

export class Verdicts {
  private readonly known = new WeakMap<Evidence, Verdict>()

  constructor(private readonly rules: () => RuleSet) {}

  /** @param over whether the attempt ended in a bounce; it decides where there is no reply code to go by */
  of({ route }: Attempt, evidence: Evidence, over: boolean): Verdict {
    const known = this.known.get(evidence)
    if (known) return known
    const { code, enhanced, lines, phase } = evidence
    const verdict = classify(this.rules(), {
      code,
      enhanced: enhanced || undefined,
      text: lines,
      phase,
      provider: route?.provider,
      permanent: code === 0 ? over : undefined,
    })
    // Without a code the verdict hangs on `over`, which is not known yet when a retry is decided.
    if (code > 0) this.known.set(evidence, verdict)
    return verdict
  }
}
