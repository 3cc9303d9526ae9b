// Predictions in the form that score.py reads, and the speed at which they were made.

import { classify, type Reply, type RuleSet } from '@sluice/core/bounce/classify'
import { coarseBlame } from '@sluice/core/bounce/meaning'
import type { Verdict } from '@sluice/core/bounce/verdict'
import { interpret } from '@sluice/core/report/interpret'
import { readMail } from '@sluice/sidecar/report/mime'

import type { Message, ReplyRow } from './corpus'
import type { MessagePrediction, ReplyPrediction } from './score'

export const replyOf = (row: ReplyRow): Reply => ({
  code: row.code ?? 0,
  enhanced: row.enhanced ?? undefined,
  text: row.text,
  provider: row.provider ?? undefined,
})

export interface PredictedReply extends ReplyPrediction {
  readonly verdict: Verdict
}

export const predictReply = (rules: RuleSet, row: ReplyRow): PredictedReply => {
  const verdict = classify(rules, replyOf(row))
  return { id: row.id, label: verdict.class, hard: verdict.hard, blame: coarseBlame(verdict.class), verdict }
}

export const predictMessage = (rules: RuleSet, { id, raw }: Message): MessagePrediction => {
  const report = interpret(readMail(raw), rules)
  const kind = report.kind === 'dmarc' || report.kind === 'tlsrpt' ? 'other' : report.kind
  switch (report.kind) {
    case 'dsn': {
      const recipients = report.recipients.map(({ recipient, verdict, action, status }) => ({
        recipient,
        category: verdict.class,
        hard: verdict.hard,
        action,
        status: status === '' ? null : status,
      }))
      return { id, kind, recipients, feedback_type: null }
    }
    case 'arf': {
      const recipients = report.recipients.map((recipient) => ({
        recipient,
        category: 'other',
        hard: false,
        action: 'failed',
        status: null,
      }))
      return { id, kind, recipients, feedback_type: report.feedback_type }
    }
    default:
      return { id, kind, recipients: [], feedback_type: null }
  }
}

/**
 * How often `work` is done in a second of processor time (so that a busy machine does not count): the median of rounds
 * of about `roundMs`, after a warm-up.
 * @param each how many pieces of work one call does
 */
export const speedOf = (work: () => void, each: number, roundMs = 250, rounds = 9): number => {
  const round = (): number => {
    const start = process.cpuUsage()
    let calls = 0
    let spent = 0
    while (spent < roundMs) {
      work()
      calls++
      const { user, system } = process.cpuUsage(start)
      spent = (user + system) / 1000
    }
    return (calls * each * 1000) / spent
  }
  for (let i = 0; i < 3; i++) round()
  const speeds = Array.from({ length: rounds }, round).sort((a, b) => a - b)
  return speeds[speeds.length >> 1] ?? 0
}
