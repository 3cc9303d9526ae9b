// `sluice parked`: what waits at the workers, and what to do with it.

import { userInfo } from 'node:os'

import type { Command } from 'commander'

import type { ParkedGroup, ParkedMail } from '@sluice/core/parked/exchange'

import type { Scope } from '../http/tokens'
import { Client } from './client'
import type { Common, Say } from './commands'
import { sayTable, sayTime, type Cell } from './table'

interface ListAnswer {
  readonly workers: number
  readonly incomplete: readonly string[]
  readonly waiting: number
  readonly matched: number
  readonly groups: readonly ParkedGroup[]
  readonly others: number
  readonly mails: readonly ParkedMail[]
}
interface ChangeAnswer {
  readonly incomplete: readonly string[]
  readonly matched: number
  readonly done: number
  readonly refused: Readonly<Record<string, number>>
}
type Filter = Readonly<Record<string, string>>
interface Options {
  readonly sample?: string
  readonly author: string
  readonly reason: string
  readonly all?: true
  readonly toPool?: string
  readonly toSource?: string
  readonly bounce?: boolean
}

const conditions = ['source', 'provider', 'stream', 'tenant', 'campaign', 'domain', 'queueId'] as const

const filterOf = (options: object): Filter =>
  Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) =>
      (conditions as readonly string[]).includes(name)
        ? [[name === 'queueId' ? 'queue_id' : name, value as string]]
        : [],
    ),
  )

/** Adds the commands to `program`; `say` prints. */
export const addParkedCommands = (program: Command, say: Say): void => {
  const client = (scope: Scope): Promise<Client> => Client.find(program.opts<Common>(), scope)
  const show = <T>(answer: T, human: (answer: T) => string): void =>
    say(program.opts<Common>().json ? JSON.stringify(answer, undefined, 2) : human(answer))
  const parked = program.command('parked').description('mail that waits at the workers')
  const selecting = (name: string, says: string): Command =>
    parked
      .command(name)
      .description(says)
      .option('--source <id>', 'in a lane of this source')
      .option('--provider <id>')
      .option('--stream <id>')
      .option('--tenant <name>')
      .option('--campaign <name>')
      .option('--domain <domain>', 'recipient domain')
      .option('--queue-id <id>', 'one queue file')
  const changing = (name: string, says: string): Command =>
    selecting(name, says)
      .option('--all', 'everything that waits, where no condition is given')
      .option('--author <name>', 'who does it', userInfo().username)
      .requiredOption('--reason <text>', 'why, for those who read the audit')
  const change = async (verb: string, options: Options, more: object): Promise<void> => {
    const { author, reason, all = false } = options
    const body = { filter: filterOf(options), all, author, reason, ...more }
    const answer = await (await client('steer')).change<ChangeAnswer>('POST', `/v1/parked/${verb}`, body)
    show(answer, showChange)
  }

  selecting('list', 'how much waits, where and why')
    .option('--sample <n>', 'show so many mails', '0')
    .action(async (options: Options) => {
      const query = { ...filterOf(options), sample: options.sample }
      show(await (await client('read')).get<ListAnswer>('/v1/parked', query), showParked)
    })
  changing('flush', 'chooses again and looks for room at once; no limit is passed over').action((options: Options) =>
    change('flush', options, {}),
  )
  changing('move', 'sends it by another pool or source')
    .option('--to-pool <name>')
    .option('--to-source <id>')
    .action((options: Options) => {
      const { toPool, toSource } = options
      const to = { ...(toPool !== undefined && { pool: toPool }), ...(toSource !== undefined && { source: toSource }) }
      return change('move', options, { to })
    })
  changing('drop', 'ends it: nobody gets it')
    .option('--bounce', 'the senders get a bounce message')
    .action((options: Options) => change('drop', options, { bounce: options.bounce ?? false }))
}

const sayIncomplete = (incomplete: readonly string[]): string =>
  incomplete.length === 0 ? '' : `\nINCOMPLETE: no answer from ${incomplete.join(', ')}`

export const showParked = ({ workers, incomplete, waiting, matched, groups, others, mails }: ListAnswer): string => {
  const table = sayTable(
    ['count', 'oldest', 'provider', 'source', 'stream', 'tenant', 'campaign', 'waits for'],
    groups.map((one): Cell[] => [
      one.count,
      sayTime(one.oldest_at),
      one.provider,
      one.source,
      one.stream,
      one.tenant,
      one.campaign,
      one.reason,
    ]),
  )
  const sample = sayTable(
    ['queue id', 'message id', 'domain', 'queued', 'attempts', 'provider', 'source', 'stream', 'waits for'],
    mails.map((one): Cell[] => [
      one.queue_id,
      one.message_id,
      one.domain,
      sayTime(one.queued_at),
      one.attempts,
      one.provider,
      one.source,
      one.stream,
      one.reason,
    ]),
  )
  const rest = others > 0 ? `\nand ${others} in smaller groups` : ''
  const head = `${matched} of ${waiting} that wait at ${workers} workers`
  return `${head}${sayIncomplete(incomplete)}\n\n${table}${rest}${mails.length > 0 ? `\n\n${sample}` : ''}`
}

const showChange = ({ incomplete, matched, done, refused }: ChangeAnswer): string => {
  const left = Object.entries(refused).map(([why, count]) => `, ${count} left as they were (${why})`)
  return `${done} of ${matched}${left.join('')}${sayIncomplete(incomplete)}`
}
