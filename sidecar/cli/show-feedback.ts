// Answers about suppression and unknown replies as text for people. Pure.

import type { ImportAnswer, InboxAnswer, ProposalAnswer, SuppressionsAnswer } from './answers'
import { sayTable, sayTime, type Cell } from './table'

export const showSuppressions = ({ suppressions }: SuppressionsAnswer): string =>
  sayTable(
    ['address', 'scope', 'reason', 'since', 'until', 'author', 'note', 'evidence'],
    suppressions.map((one): Cell[] => [
      one.address,
      one.scope,
      one.reason,
      sayTime(one.since),
      sayTime(one.until),
      one.author,
      one.note,
      one.evidence,
    ]),
  )

export const showImport = ({ read, listed, refused, complaints }: ImportAnswer): string =>
  [
    `${read} read, ${listed} newly suppressed, ${refused} refused`,
    ...complaints.map(({ line, says }) => `line ${line}: ${says}`),
    ...(refused > complaints.length ? ['…'] : []),
  ].join('\n')

type Replies = InboxAnswer['replies']

const repliesTable = (replies: Replies): string =>
  sayTable(
    ['id', 'count', 'class', 'rule', 'last', 'providers', 'signature'],
    replies.map((one): Cell[] => [
      one.id,
      one.count,
      one.class,
      one.rule,
      sayTime(one.last_at),
      one.providers.slice(0, 3).join(' '),
      one.signature.slice(0, 120),
    ]),
  )

export const showInbox = ({ replies }: InboxAnswer): string => repliesTable(replies)

export const showProposal = ({ yaml, caught }: ProposalAnswer): string =>
  `${yaml}\nWould have decided ${caught.reduce((sum, { count }) => sum + count, 0)} replies:\n\n${repliesTable(caught)}`
