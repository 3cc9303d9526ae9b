// The commands that ask the sidecar, each a few lines: find it, ask, show.

import { userInfo } from 'node:os'

import { InvalidArgumentError, type Command } from 'commander'

import { SluiceError } from '@sluice/core/errors'

import type { Scope } from '../http/tokens'
import type {
  AuditAnswer,
  ChangeAnswer,
  MessageAnswer,
  OutcomeRow,
  OverrideAnswer,
  ResumeAnswer,
  ScoresAnswer,
  SqlAnswer,
  SuspendAnswer,
  TermsAnswer,
  WeightsAnswer,
} from './answers'
import { Client } from './client'
import { showAudit, showMessage, showOutcomes, showScores, showSql, showTerms, showWeights } from './show'
import { sayTime } from './table'

export interface Common {
  readonly config: string
  readonly url?: string
  readonly tokenFile?: string
  readonly json?: boolean
}

export type Say = (text: string) => void

const number = (text: string): number => {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('not a number')
  return value
}

const unitS = { s: 1, m: 60, h: 3600, d: 86_400 } as const

/** `90`, `90s`, `15m`, `2h`, `1d`, in seconds. */
export const duration = (text: string): number => {
  const [, amount, unit = 's'] = /^(\d+(?:\.\d+)?)([smhd])?$/.exec(text) ?? []
  if (amount === undefined) throw new InvalidArgumentError('a time such as 90s, 15m, 2h or 1d')
  return Number(amount) * unitS[unit as keyof typeof unitS]
}

type Query = Record<string, string | number | undefined>

/** Adds the commands to `program`; `say` prints. */
export const addCommands = (program: Command, say: Say): void => {
  const client = (scope: Scope): Promise<Client> => Client.find(program.opts<Common>(), scope)
  const show = <T>(answer: T, human: (answer: T) => string): void =>
    say(program.opts<Common>().json ? JSON.stringify(answer, undefined, 2) : human(answer))
  const reader = (): Promise<Client> => client('read')

  program
    .command('weights')
    .description('weights in force, with their reasons')
    .option('--pool <name>')
    .option('--provider <id>')
    .action(async (query: Query) => show(await (await reader()).get<WeightsAnswer>('/v1/weights', query), showWeights))
  program
    .command('scores')
    .description('scores and what they were made from')
    .option('--pool <name>')
    .option('--provider <id>')
    .option('--source <id>')
    .action(async (query: Query) => show(await (await reader()).get<ScoresAnswer>('/v1/scores', query), showScores))
  program
    .command('outcomes')
    .description('recent outcomes')
    .option('--recipient <address>')
    .option('--recipient-domain <domain>')
    .option('--message-id <id>')
    .option('--provider <id>')
    .option('--source <id>')
    .option('--stream <id>')
    .option('--kind <kind>')
    .option('--class <class>')
    .option('--since <time>', 'such as 15m, 24h, 7d, or ISO 8601', '24h')
    .option('--limit <n>', 'at most so many', number, 50)
    .action(async ({ recipientDomain, messageId, ...rest }: Query) => {
      const query = { ...rest, recipient_domain: recipientDomain, message_id: messageId }
      const { outcomes } = await (await reader()).get<{ outcomes: readonly OutcomeRow[] }>('/v1/outcomes', query)
      show(outcomes, showOutcomes)
    })
  program
    .command('why')
    .description('why a message took the way it took')
    .argument('<id>', 'message id, queue id, or Message-ID header')
    .action(async (id: string) => {
      show(await (await reader()).get<MessageAnswer>(`/v1/messages/${encodeURIComponent(id)}`), showMessage)
    })
  program
    .command('sql')
    .description('one read-only SQL statement')
    .argument('<statement>')
    .option('--format <format>', 'csv or jsonl instead of a table')
    .action(async (sql: string, { format }: { format?: string }) => {
      const answer = await (await client('read')).send('POST', '/v1/sql', { sql, format: format ?? 'json' })
      if (format === undefined || format === 'json') show(JSON.parse(answer) as SqlAnswer, showSql)
      else say(answer.trimEnd())
    })
  program
    .command('audit')
    .description('who changed what, and why')
    .option('--source <id>')
    .option('--author <name>')
    .option('--since <time>', 'such as 24h or 30d', '30d')
    .action(async (query: Query) => show(await (await reader()).get<AuditAnswer>('/v1/audit', query), showAudit))
  program
    .command('overrides')
    .description('overrides and suspensions in force')
    .action(async () => show(await (await reader()).get<TermsAnswer>('/v1/overrides'), showTerms))

  addSteering(program, () => client('steer'), show)
}

type Show = <T>(answer: T, human: (answer: T) => string) => void

interface Steering {
  readonly pool?: string
  readonly provider?: string
  readonly author: string
  readonly reason: string
  readonly for?: number
}

const bodyOf = ({ for: expires_in_s, ...rest }: Steering): object => ({
  ...rest,
  ...(expires_in_s && { expires_in_s }),
})

const sayUntil = (until: number | undefined): string => (until === undefined ? '' : ` until ${sayTime(until)}`)

const addSteering = (program: Command, client: () => Promise<Client>, show: Show): void => {
  const steering = (name: string, says: string): Command =>
    program
      .command(name)
      .description(says)
      .option('--author <name>', 'who does it', userInfo().username)
      .requiredOption('--reason <text>', 'why, for those who read the audit')

  steering('override', 'replaces the weight of a source')
    .argument('<source>')
    .argument('<weight>', '0 = no traffic', number)
    .option('--pool <name>', 'in this pool only')
    .option('--provider <id>', 'towards this provider only')
    .option('--for <time>', 'ends by itself after, such as 15m or 2h', duration)
    .action(async (source: string, weight: number, options: Steering) => {
      const body = { source, weight, ...bodyOf(options) }
      const answer = await (await client()).change<OverrideAnswer>('POST', '/v1/overrides', body)
      show(answer, ({ override: { id, until }, version }) => {
        return `override ${id}: ${source} has weight ${weight}${sayUntil(until)}, routing version ${version}`
      })
    })
  steering('withdraw', 'takes an override back')
    .argument('<id>', 'of the override')
    .action(async (id: string, options: Steering) => {
      const route = `/v1/overrides/${encodeURIComponent(id)}`
      const answer = await (await client()).change<ChangeAnswer>('DELETE', route, bodyOf(options))
      show(answer, ({ version }) => `override ${id} withdrawn, routing version ${version}`)
    })
  steering('suspend', 'sends nothing more by a source or pool, or towards a provider')
    .argument('[source]')
    .option('--pool <name>', 'this pool as a whole')
    .option('--provider <id>', 'towards this provider only; alone: this provider as a whole')
    .option('--for <time>', 'ends by itself after, such as 15m or 2h', duration)
    .action(async (source: string | undefined, options: Steering) => {
      const { what, route, body } = suspendable(source, options)
      const answer = await (await client()).change<SuspendAnswer>('POST', `${route}/suspend`, body)
      show(answer, ({ suspension: { id, until }, version }) => {
        return `${what} suspended (${id})${sayUntil(until)}, routing version ${version}`
      })
    })
  steering('resume', 'lifts suspensions of a source, pool or provider')
    .argument('[source]')
    .option('--pool <name>', 'those of this pool as a whole')
    .option('--provider <id>', 'the suspension towards this provider only; alone: that of the provider as a whole')
    .action(async (source: string | undefined, options: Steering) => {
      const { what, route, body } = suspendable(source, options)
      const answer = await (await client()).change<ResumeAnswer>('POST', `${route}/resume`, body)
      show(answer, ({ lifted, version }) => `${what}: ${lifted.length} lifted, routing version ${version}`)
    })
}

/** What a suspension is about, and the route it has. */
const suspendable = (source: string | undefined, options: Steering) => {
  const { pool, provider, ...rest } = options
  const kinds = {
    sources: source,
    pools: pool,
    providers: source === undefined && pool === undefined ? provider : undefined,
  }
  const [named, ...others] = Object.entries(kinds).filter(([, name]) => name !== undefined)
  const [kind, what = ''] = named ?? []
  if (kind === undefined || others.length > 0) {
    throw new SluiceError('SLUICE_HTTP_BODY', 'name a source, --pool or --provider: one of them (--provider may join)')
  }
  const narrow = kind !== 'providers' && provider !== undefined ? { provider } : {}
  return { what, route: `/v1/${kind}/${encodeURIComponent(what)}`, body: { ...bodyOf(rest), ...narrow } }
}
