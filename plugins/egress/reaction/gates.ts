// The scopes that something has closed and that are not open again, by provider: few, and usually none, so that asking
// costs nothing as long as all is well. `change` tells what has become of a scope, so that mail waiting for it can be
// moved.

import { viewGate, type Gate, type GateView } from '@sluice/core/lane/gate'
import type { LaneState } from '@sluice/core/lane/lane'
import { readScopeKey, type Scope } from '@sluice/core/lane/scope'

export interface Gated {
  readonly scope: Scope
  readonly gate: Gate
}

/** closed: a closing is new or has grown longer; opened: nothing closes it any more. */
export type GateChange = 'closed' | 'opened' | 'none'

export class Gates {
  private readonly byProvider = new Map<string, Map<string, Gated>>()

  /** The state of a scope has changed; undefined = it is forgotten. */
  change(key: string, state: LaneState | undefined): GateChange {
    const gate = state?.gate
    const provider = providerOf(key)
    const known = this.byProvider.get(provider)
    const before = known?.get(key)
    if (!gate || gate.closings.length === 0) {
      if (!before) return 'none'
      known?.delete(key)
      if (known?.size === 0) this.byProvider.delete(provider)
      return 'opened'
    }
    const scope = before?.scope ?? readScopeKey(key)
    if (!scope) return 'none'
    if (known) known.set(key, { scope, gate })
    else this.byProvider.set(provider, new Map([[key, { scope, gate }]]))
    return before && before.gate.closings[0]?.until === gate.closings[0]?.until ? 'none' : 'closed'
  }

  /** Scopes of one provider that are closed or half-open, by scope key. */
  of(provider: string): ReadonlyMap<string, Gated> | undefined {
    return this.byProvider.get(provider)
  }

  viewOf(provider: string, key: string, now: number): GateView {
    const gated = this.byProvider.get(provider)?.get(key)
    return gated ? viewGate(gated.gate, now) : open
  }

  get none(): boolean {
    return this.byProvider.size === 0
  }
}

const open: GateView = { phase: 'open' }

/** The last part of the key, decoded. */
const providerOf = (key: string): string => {
  const encoded = key.slice(key.lastIndexOf('|') + 1)
  return encoded.includes('%') ? (readScopeKey(key)?.provider ?? encoded) : encoded
}
