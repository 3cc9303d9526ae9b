// The inbox of unknown replies, and what a rule for one of them would do: read from stored outcomes and judged by the
// rules in force, so that an answered one is gone at once.

import type { ClickHouseClient } from '@clickhouse/client'

import type { RuleSet } from '@sluice/core/bounce/classify'
import { draftRule, withRule, type DraftChoice } from '@sluice/core/bounce/draft'
import type { RuleSpec } from '@sluice/core/bounce/rule'
import { groupReplies, isUnknown, lastRules, type ReplyGroup, type SaidReply } from '@sluice/core/bounce/unknown'
import { SluiceError } from '@sluice/core/errors'
import { phases } from '@sluice/core/outcome/record'

import { ask } from '../clickhouse/ask'
import { query } from '../clickhouse/shipped'
import { compileWith } from '../config/rules'

/** Different replies looked at, the most frequent first. */
const mostReplies = 20_000

const saidSql = query('replies_said')

type Row = Omit<SaidReply, 'phase' | 'permanent' | 'count' | 'first_at' | 'last_at'> &
  Record<'phase' | 'count' | 'first_at' | 'last_at', string> & { readonly permanent: number }

const said = async (
  client: ClickHouseClient,
  rules: readonly string[],
  since: number,
  signal?: AbortSignal,
): Promise<SaidReply[]> => {
  const rows = await ask<Row>(client, saidSql, { rules, since, limit: mostReplies }, signal)
  return rows.map((row) => ({
    ...row,
    phase: phases.find((one) => one === row.phase),
    permanent: row.permanent === 1,
    count: Number(row.count),
    first_at: Number(row.first_at),
    last_at: Number(row.last_at),
  }))
}

/** @param since ms since 1970 */
export const readInbox = async (
  client: ClickHouseClient,
  rules: RuleSet,
  since: number,
  signal?: AbortSignal,
): Promise<ReplyGroup[]> => {
  const replies = await said(client, lastRules(rules), since, signal)
  return groupReplies(rules, replies).filter(isUnknown)
}

export interface Proposal {
  readonly rule: RuleSpec
  /** What it would decide of what was said since, and what decides it now. */
  readonly caught: readonly ReplyGroup[]
}

/**
 * A rule for a signature of the inbox.
 * @param operator text of bounce.yaml; absent = there is none
 * @throws SluiceError SLUICE_HTTP_NOT_FOUND where the inbox has no such signature, or it has no words to go by
 */
export const proposeRule = async (
  client: ClickHouseClient,
  { rules, operator }: { readonly rules: RuleSet; readonly operator: string | undefined },
  id: string,
  choice: DraftChoice,
  since: number,
  signal?: AbortSignal,
): Promise<Proposal> => {
  const replies = await said(client, [], since, signal)
  const groups = groupReplies(rules, replies)
  const group = groups.find((one) => one.id === id && isUnknown(one))
  if (!group) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `no unknown reply has the id ${id}`)
  const rule = draftRule(group, choice)
  if (!rule) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `the replies of ${id} have no words to go by`)
  const file = withRule(operator ?? '', rule)
  const changed = compileWith(file)
  const decided = new Set(
    groupReplies(changed, replies).flatMap((one) => (one.rule === `bounce/${rule.id}` ? [one.id] : [])),
  )
  return { rule, caught: groups.filter((one) => decided.has(one.id)) }
}
