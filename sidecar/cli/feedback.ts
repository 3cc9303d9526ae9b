// Commands of the feedback loop: the suppression list, reports, the inbox of unknown replies.

import { createReadStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'

import type { Command } from 'commander'

import { withRule } from '@sluice/core/bounce/draft'
import type { RuleSpec } from '@sluice/core/bounce/rule'

import { findFolder } from '../config/configuration'
import { operatorFile } from '../config/rules'
import type { Scope } from '../http/tokens'
import type { ImportAnswer, InboxAnswer, ProposalAnswer, SuppressionsAnswer } from './answers'
import { Client } from './client'
import { duration, type Common, type Say } from './commands'
import { showImport, showInbox, showProposal, showSuppressions } from './show-feedback'

interface Changing {
  readonly scope: string
  readonly author: string
  readonly reason: string
  readonly for?: number
}

type Query = Record<string, string | number | undefined>

/** Adds the commands to `program`; `say` prints. */
export const addFeedbackCommands = (program: Command, say: Say): void => {
  const client = (scope: Scope): Promise<Client> => Client.find(program.opts<Common>(), scope)
  const show = <T>(answer: T, human: (answer: T) => string): void =>
    say(program.opts<Common>().json ? JSON.stringify(answer, undefined, 2) : human(answer))

  addSuppressions(program, client, show)

  program
    .command('report')
    .description('hands in a bounce, complaint or other report')
    .argument('<file>', 'the whole message; - = standard input')
    .option('--rcpt-to <address>', 'address it came to')
    .action(async (file: string, { rcptTo }: { rcptTo?: string }) => {
      const query = rcptTo === undefined ? '' : `?rcpt_to=${encodeURIComponent(rcptTo)}`
      const sender = await client('send')
      const answer = await sender.upload<{ report: string }>(`/v1/reports${query}`, 'message/rfc822', read(file))
      show(answer, ({ report }) => `taken as ${report}`)
    })
  program
    .command('inbox')
    .description('replies that no rule knows by their words')
    .option('--since <time>', 'such as 24h or 7d', '7d')
    .option('--limit <n>', 'at most so many', '50')
    .action(async (query: Query) => show(await (await client('read')).get<InboxAnswer>('/v1/inbox', query), showInbox))

  program
    .command('rule')
    .description('rules of your own')
    .command('from')
    .description('a rule for an unknown reply, and what else it would have caught')
    .argument('<signature>', 'its id in the inbox')
    .requiredOption('--class <class>', 'what the reply means')
    .option('--blame <who>', 'who is to blame; default: by class')
    .option('--action <action>', 'what to do; default: by class')
    .option('--provider <id>', 'the words mean this only when this provider says them')
    .option('--since <time>', 'outcomes it is tried against', '30d')
    .option('--write', `adds it to ${operatorFile}`)
    .action(async (id: string, { write, ...choice }: Query & { write?: boolean }) => {
      const route = `/v1/inbox/${encodeURIComponent(id)}/rule`
      const proposal = await (await client('read')).change<ProposalAnswer>('POST', route, choice)
      show(proposal, showProposal)
      if (write) say(`written to ${await writeRule(program.opts<Common>().config, proposal.rule)}`)
    })
}

type Show = <T>(answer: T, human: (answer: T) => string) => void

const addSuppressions = (program: Command, client: (scope: Scope) => Promise<Client>, show: Show): void => {
  const list = program.command('suppressions').description('recipients that get no mail')
  const changing = (name: string, says: string): Command =>
    list
      .command(name)
      .description(says)
      .option('--scope <scope>', 'global, tenant:NAME, stream:NAME or stream:TENANT/NAME', 'global')
      .option('--author <name>', 'who does it', userInfo().username)
      .requiredOption('--reason <text>', 'why, for those who read the audit')

  list
    .command('find')
    .description('what holds for an address, with the evidence')
    .argument('<address>')
    .action(async (address: string) => {
      const reader = await client('read')
      show(await reader.get<SuppressionsAnswer>('/v1/suppressions', { address }), showSuppressions)
    })
  changing('add', 'suppresses an address')
    .argument('<address>')
    .option('--for <time>', 'ends by itself after, such as 30d', duration)
    .action(async (address: string, { for: expires_in_s, ...rest }: Changing) => {
      const body = { address, ...rest, ...(expires_in_s && { expires_in_s }) }
      const answer = await (await client('steer')).change<object>('POST', '/v1/suppressions', body)
      show(answer, () => `${address} is suppressed (${rest.scope})`)
    })
  changing('release', 'lets an address get mail again')
    .argument('<address>')
    .action(async (address: string, options: Changing) => {
      const answer = await (await client('steer')).change<object>('DELETE', '/v1/suppressions', { address, ...options })
      show(answer, () => `${address} is released (${options.scope})`)
    })
  changing('import', 'suppresses what a CSV lists')
    .argument('<file>', 'CSV of an export, or one address a line; - = standard input')
    .action(async (file: string, { scope, author, reason }: Changing) => {
      const query = new URLSearchParams({ scope, author, reason }).toString()
      const sender = await client('steer')
      show(await sender.upload<ImportAnswer>(`/v1/suppressions/import?${query}`, 'text/csv', read(file)), showImport)
    })
  list
    .command('export')
    .description('the whole list as CSV')
    .option('--only <reason>', 'hard_bounce, soft_bounces, complaint, unsubscribe or operator')
    .action(async ({ only }: { only?: string }) => {
      const query = only === undefined ? '' : `?reason=${encodeURIComponent(only)}`
      const content = await (await client('read')).download(`/v1/suppressions.csv${query}`)
      await pipeline(content, process.stdout, { end: false })
    })
}

const read = (file: string) => (file === '-' ? process.stdin : createReadStream(file))

/** @returns the file written */
const writeRule = async (config: string, rule: RuleSpec): Promise<string> => {
  const { files } = await findFolder(config)
  const file = path.join(files, operatorFile)
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  })
  await writeFile(file, withRule(text, rule))
  return file
}
