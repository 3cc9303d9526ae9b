// What the routes need of the sidecar. One object, made in main.ts; tests make their own.

import type { Registry } from 'prom-client'

import type { Actions } from '../actions/actions'
import type { Changes } from '../changes/changes'
import type { Trail } from '../changes/trail'
import type { LiveConfiguration } from '../config/live'
import type { Database } from '../database'
import type { FeedbackLoop } from '../feedback/feedback-loop'
import type { LiveFeedbackSettings } from '../feedback/settings'
import type { Journal } from '../journal/journal'
import type { ParkedExchange } from '../parked/exchange'
import type { PartState } from '../part-state'
import type { RoutingPublisher } from '../routing/publisher'
import type { Scorer } from '../score/scorer'
import type { SuppressionList } from '../suppression/list'
import type { Warmups } from '../warmup/warmups'

export interface Services {
  readonly version: string
  /** ms since 1970 */
  readonly startedAt: number
  readonly configuration: LiveConfiguration
  readonly database: Database
  readonly publisher: RoutingPublisher
  readonly changes: Changes
  readonly actions: Actions
  readonly trail: Trail
  readonly parked: ParkedExchange
  readonly scorer: Scorer
  readonly audit: Journal
  readonly suppressions: SuppressionList
  readonly warmups: Warmups
  readonly feedback: Pick<FeedbackLoop, 'reports'> & { readonly settings: LiveFeedbackSettings }
  readonly registry: Registry
  /** By name; `ready` is whether all of `needed` are ok. */
  readonly parts: () => Readonly<Record<string, PartState>>
  readonly now: () => number
}
