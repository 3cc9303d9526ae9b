// What the routes answer, as the command line reads it: the shapes of the routes themselves.

import type { z } from 'zod'

import type { RuleSpec } from '@sluice/core/bounce/rule'
import type { Override, Suspension } from '@sluice/core/routing/table'

import type { weightsAnswer } from '../http/routes/weights'

export type WeightsAnswer = z.output<typeof weightsAnswer>

export interface ScoresAnswer {
  readonly at: number
  readonly scores: readonly {
    readonly pool: string
    readonly provider: string
    readonly source: string
    readonly base: number
    readonly weight: number
    readonly multiplier: number
    readonly because: string
    readonly target: number
    readonly standing: { readonly observed: number; readonly expected: number; readonly reputation: number }
    readonly listing: { readonly suspicion: number; readonly health: number }
  }[]
}

export interface OutcomeRow {
  readonly at: number
  readonly kind: string
  readonly recipient: string
  readonly provider: string
  readonly pool: string
  readonly source: string
  readonly mx_host: string
  readonly code: number
  readonly enhanced: string
  readonly class: string
  readonly blame: string
  readonly reply: string
  readonly attempt: number
  readonly propensity: number
  readonly routing_version: number
  readonly stream: string
}

export interface MessageAnswer {
  readonly id: string
  readonly outcomes: readonly OutcomeRow[]
  readonly choices: readonly {
    readonly routing_version: number
    readonly pool: string
    readonly provider: string
    readonly known: boolean
    readonly published_at: number
    readonly published_by: string
    readonly published_because: string
    readonly weights: WeightsAnswer['lanes'][number]['weights']
  }[]
}

export interface AuditAnswer {
  readonly entries: readonly {
    readonly at: number
    readonly action: string
    readonly state: string
    readonly author: string
    readonly reason: string
    readonly pool: string
    readonly provider: string
    readonly source: string
    readonly error: string
  }[]
}

export interface TermsAnswer {
  readonly overrides: readonly Override[]
  readonly suspensions: readonly Suspension[]
}

export interface SqlAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly unknown[])[]
}

export interface ChangeAnswer {
  /** Of the routing document with the change. */
  readonly version: number
}
export interface OverrideAnswer extends ChangeAnswer {
  readonly override: Override
}
export interface SuspendAnswer extends ChangeAnswer {
  readonly suspension: Suspension
}
export interface ResumeAnswer extends ChangeAnswer {
  readonly lifted: readonly Suspension[]
}

export interface SuppressionsAnswer {
  readonly suppressions: readonly {
    readonly address: string
    readonly scope: string
    readonly reason: string
    readonly evidence: string
    readonly since: number
    readonly until?: number
    readonly author: string
    readonly note: string
  }[]
}

export interface ImportAnswer {
  readonly read: number
  readonly listed: number
  readonly refused: number
  readonly complaints: readonly { readonly line: number; readonly says: string }[]
}

export interface InboxAnswer {
  readonly replies: readonly {
    readonly id: string
    readonly signature: string
    readonly count: number
    readonly class: string
    readonly rule: string
    readonly last_at: number
    readonly providers: readonly string[]
  }[]
}

export interface ProposalAnswer {
  readonly rule: RuleSpec
  readonly yaml: string
  readonly caught: InboxAnswer['replies']
}
