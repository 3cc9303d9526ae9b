// Commands of warm-up: what there is and why, start, hold, resume, stage.

import { userInfo } from 'node:os'

import { InvalidArgumentError, type Command } from 'commander'
import type { z } from 'zod'

import type { warmupChangeAnswer, warmupHistoryAnswer, warmupsAnswer } from '../http/routes/warmups'
import type { Scope } from '../http/tokens'
import { Client } from './client'
import type { Common, Say } from './commands'
import { sayTable, sayTime } from './table'

type WarmupsAnswer = z.output<typeof warmupsAnswer>
type HistoryAnswer = z.output<typeof warmupHistoryAnswer>
type ChangedAnswer = z.output<typeof warmupChangeAnswer>

type Query = Record<string, string | number | undefined>

interface Changing {
  readonly author: string
  readonly reason: string
}

/** A stage that no plan has: warm. */
const beyond = 366

const stageOf = (text: string): number => {
  if (text === 'warm') return beyond
  const stage = Number(text)
  if (!Number.isInteger(stage) || stage < 0 || stage > beyond) throw new InvalidArgumentError('a stage from 0, or warm')
  return stage
}

/** `google=0.4`, or a provider alone for the whole. */
const shareOf = (text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> => {
  const [, provider, share = '1'] = /^([^=]+)(?:=(.+))?$/.exec(text) ?? []
  if (provider === undefined || !(Number(share) > 0)) throw new InvalidArgumentError('such as google=0.4')
  return { ...before, [provider]: Number(share) }
}

const route = (source: string, what: string): string => `/v1/warmups/${encodeURIComponent(source)}/${what}`

/** Adds the commands to `program`; `say` prints. */
export const addWarmupCommands = (program: Command, say: Say): void => {
  const client = (scope: Scope): Promise<Client> => Client.find(program.opts<Common>(), scope)
  const show = <T>(answer: T, human: (answer: T) => string): void =>
    say(program.opts<Common>().json ? JSON.stringify(answer, undefined, 2) : human(answer))
  const warmup = program.command('warmup').description('sources that are warmed up')

  warmup
    .command('list')
    .description("warm-ups with stage and today's allowance")
    .option('--source <id>')
    .action(async (query: Query) =>
      show(await (await client('read')).get<WarmupsAnswer>('/v1/warmups', query), showWarmups),
    )
  warmup
    .command('history')
    .description('what was decided about a source, and by which figures')
    .argument('<source>')
    .option('--provider <id>')
    .option('--since <time>', 'such as 30d, or ISO 8601', '90d')
    .option('--limit <n>', 'at most so many', '200')
    .action(async (source: string, query: Query) =>
      show(await (await client('read')).get<HistoryAnswer>(route(source, 'history'), query), showHistory),
    )
  addChanges(warmup, async (source, what, body) => {
    const answer = await (await client('steer')).change<ChangedAnswer>('POST', route(source, what), body)
    show(answer, showChanged)
  })
}

type Change = (source: string, what: string, body: object) => Promise<void>

const addChanges = (warmup: Command, change: Change): void => {
  const changing = (name: string, says: string): Command =>
    warmup
      .command(name)
      .description(says)
      .argument('<source>')
      .option('--author <name>', 'who does it', userInfo().username)
      .requiredOption('--reason <text>', 'why, for those who read the audit')

  changing('start', 'begins to warm up a source, anew where it is warmed up already')
    .requiredOption('--plan <id>', 'sendgrid, sparkpost, conservative, or one of warmup.yaml')
    .option('--provider <id=share>', "share of the plan's volume, repeatable; absent = all together", shareOf)
    .option('--stage <n>', 'to begin at', stageOf)
    .option('--overflow <rule>', 'mail beyond the allowance: pool or wait', 'pool')
    .action(async (source: string, options: Changing & { provider?: Record<string, number> }) => {
      const { provider: providers, ...rest } = options
      await change(source, 'start', { ...rest, ...(providers && { providers }) })
    })
  changing('hold', 'holds the stage, but for a block')
    .option('--provider <id>', 'of this provider only')
    .action((source: string, options: Changing) => change(source, 'hold', options))
  changing('resume', 'lets it go on')
    .option('--provider <id>', 'of this provider only')
    .action((source: string, options: Changing) => change(source, 'resume', options))
  changing('stage', 'sets the stage')
    .argument('<stage>', 'from 0, or `warm`', stageOf)
    .option('--provider <id>', 'of this provider only')
    .action((source: string, stage: number, options: Changing) => change(source, 'stage', { ...options, stage }))
}

const showWarmups = ({ warmups }: WarmupsAnswer): string =>
  sayTable(
    ['source', 'provider', 'plan', 'status', 'stage', 'of', 'today', 'used', 'overflow', 'why'],
    warmups.map(({ source, provider, plan, status, stage, stages, allowance, used, overflow, note }) => [
      source,
      provider,
      plan,
      status,
      stage,
      stages,
      allowance ?? undefined,
      used,
      overflow,
      note,
    ]),
  )

const showHistory = ({ events }: HistoryAnswer): string =>
  sayTable(
    ['at', 'provider', 'day', 'what', 'from', 'to', 'allowance', 'sent', 'throttled', 'blocked', 'complained', 'why'],
    events.map((event) => [
      sayTime(event.at),
      event.provider,
      event.day,
      event.kind,
      event.stage_from,
      event.stage_to,
      event.allowance_to || undefined,
      event.used,
      event.throttled,
      event.blocked,
      event.complained,
      event.author === '' ? event.reason : `${event.author}: ${event.reason}`,
    ]),
  )

const showChanged = ({ warmups }: ChangedAnswer): string =>
  warmups
    .map(
      ({ source, provider, plan, status, stage }) =>
        `${source} towards ${provider}: ${status}, stage ${stage} of ${plan}`,
    )
    .join('\n')
