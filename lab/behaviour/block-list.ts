// Blocked client addresses. An entry comes from the configuration, from the control API or from the rule (too many
// unknown users in a window) and ends by itself. A client blocked at the banner whose connection is already open is told
// at its next MAIL.

import { z } from 'zod'

import { defineBehaviour, type Decision, type Situation } from './behaviour'
import { clientAddress } from './listing'
import { compileReply, refusalText } from './reply'
import { PeakWindow } from './window'

const mostClients = 10_000

const options = z.strictObject({
  at: z.enum(['banner', 'mail', 'rcpt', 'dot']).default('banner'),
  reply: refusalText.default('554 5.7.1 Service unavailable; client [{ip}] blocked'),
  /** Blocked from the start. */
  entries: z
    .array(z.strictObject({ client_ip: clientAddress, seconds: z.number().positive().optional() }))
    .max(1000)
    .default([]),
  /** More than `unknown_users` refused recipients in `per_s` seconds block the client for `seconds`. */
  rule: z
    .strictObject({
      unknown_users: z.int().min(1).max(1_000_000),
      per_s: z.number().positive().max(86_400),
      seconds: z.number().positive(),
    })
    .optional(),
})

export const blockList = defineBehaviour(options, ({ at, reply, entries, rule }, { listing, since }) => {
  const refusal = compileReply(reply)
  const unknown = new Map<string, PeakWindow>()
  for (const entry of entries) listing.add(entry.client_ip, since, entry.seconds, 'configuration')

  const windowOf = (ip: string, per_s: number): PeakWindow => {
    const window = unknown.get(ip) ?? new PeakWindow(per_s * 1000)
    if (unknown.size >= mostClients) unknown.clear()
    unknown.set(ip, window)
    return window
  }

  return {
    stages: at === 'banner' ? ['banner', 'mail'] : [at],
    decide: (_, situation): Decision | undefined => {
      if (!listing.find(situation.ip, situation.now)) return undefined
      return { by: 'block_list', end: 'reply', reply: refusal(situation) }
    },
    learn: (decision: Decision, situation: Situation): void => {
      if (!rule || decision.by !== 'unknown_users') return
      const window = windowOf(situation.ip, rule.per_s)
      window.add(situation.now)
      if (window.count(situation.now) <= rule.unknown_users) return
      unknown.delete(situation.ip)
      listing.add(situation.ip, situation.now, rule.seconds, `more than ${rule.unknown_users} unknown users`)
    },
  }
})
