// What operators change about routing: overrides and suspensions, each with its trail in the audit.

import { randomBytes } from 'node:crypto'

import { SluiceError } from '@sluice/core/errors'
import type { Override, RoutingDocument, Suspension } from '@sluice/core/routing/table'
import {
  withOverride,
  withoutOverride,
  withoutSuspension,
  withSuspension,
  type Target,
  type Terms,
} from '@sluice/core/routing/terms'

import type { RoutingPublisher } from '../routing/publisher'
import type { Asker, Trail } from './trail'

export const actions = ['override', 'withdraw', 'suspend', 'resume'] as const
export type Action = (typeof actions)[number]

type OverrideTarget = Target & { readonly source: string }

export interface Made<T> {
  readonly made: T
  readonly document: RoutingDocument
}

export interface ChangesOptions {
  readonly publisher: RoutingPublisher
  readonly trail: Trail
  readonly now?: () => number
}

/** Terms in one routing document at most, as the schema says. */
const mostTerms = 10_000

export class Changes {
  private readonly now: () => number

  constructor(private readonly options: ChangesOptions) {
    this.now = options.now ?? Date.now
  }

  /** @throws SluiceError SLUICE_JOURNAL, SLUICE_REDIS_AWAY, SLUICE_ROUTING_CONFLICT; nothing was changed then */
  override(asker: Asker, target: OverrideTarget, weight: number, until?: number): Promise<Made<Override>> {
    const override = { ...this.term('o', asker, target, until), source: target.source, weight }
    return this.make('override', asker, target, override, (document) => ({
      terms: withOverride(document, override),
      made: override,
    }))
  }

  /** @throws SluiceError SLUICE_HTTP_NOT_FOUND and those of `override` */
  withdraw(asker: Asker, id: string): Promise<Made<Override>> {
    const target = this.options.publisher.last.overrides.find((one) => one.id === id) ?? {}
    return this.make('withdraw', asker, target, { id }, (document) => {
      const found = withoutOverride(document, id)
      if (!found) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `no override has the id ${id}`)
      return { terms: found.terms, made: found.withdrawn }
    })
  }

  /** @throws as `override` */
  suspend(asker: Asker, target: Target, until?: number): Promise<Made<Suspension>> {
    const suspension = this.term('s', asker, target, until)
    return this.make('suspend', asker, target, suspension, (document) => ({
      terms: withSuspension(document, suspension),
      made: suspension,
    }))
  }

  /** @throws SluiceError SLUICE_HTTP_NOT_FOUND and those of `override` */
  resume(asker: Asker, target: Target): Promise<Made<readonly Suspension[]>> {
    return this.make('resume', asker, target, {}, (document) => {
      const found = withoutSuspension(document, target)
      if (!found) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', sayNotSuspended(target))
      return { terms: found.terms, made: found.lifted }
    })
  }

  private term(letter: string, { author, reason }: Asker, target: Target, until?: number): Suspension {
    const { pool, provider, source } = target
    return {
      id: `${letter}-${randomBytes(6).toString('hex')}`,
      ...(pool !== undefined && { pool }),
      ...(provider !== undefined && { provider }),
      ...(source !== undefined && { source }),
      author,
      reason,
      since: this.now(),
      ...(until !== undefined && { until }),
    }
  }

  private make<T>(
    action: Action,
    asker: Asker,
    target: Target,
    details: object,
    edit: (document: RoutingDocument) => { readonly terms: Terms; readonly made: T },
  ): Promise<Made<T>> {
    const work = async (): Promise<Made<T>> => {
      let made: T | undefined
      const { document } = await this.options.publisher.change(asker.author, `${action}: ${asker.reason}`, (now) => {
        const edited = edit(now)
        if (edited.terms.overrides.length > mostTerms || edited.terms.suspensions.length > mostTerms) {
          throw new SluiceError('SLUICE_ROUTING_CONFLICT', `there are ${mostTerms} of them already`)
        }
        made = edited.made
        return edited.terms
      })
      return { made: made as T, document }
    }
    return this.options.trail.make(asker, { action, ...target, details }, work, ({ document }) => document.version)
  }
}

const sayNotSuspended = ({ source, pool, provider = '' }: Target): string => {
  const what = source ?? (pool !== undefined ? `the pool ${pool}` : undefined)
  if (what === undefined) return `the provider ${provider} is not suspended as a whole`
  return provider === ''
    ? `${what} is not suspended`
    : `${what} is not suspended towards ${provider} alone (a suspension towards all is lifted without provider)`
}
