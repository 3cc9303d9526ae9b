// `sluice actions` and `sluice undo`: what Sluice has done by itself, and taking it back.

import { userInfo } from 'node:os'

import type { Command } from 'commander'

import type { LaneAction } from '@sluice/core/lane/action'

import type { Scope } from '../http/tokens'
import { Client } from './client'
import type { Common, Say } from './commands'
import { sayTable, sayTime, type Cell } from './table'

type Query = Record<string, string | number | undefined>

/** Adds the commands to `program`; `say` prints. */
export const addActionCommands = (program: Command, say: Say): void => {
  const client = (scope: Scope): Promise<Client> => Client.find(program.opts<Common>(), scope)
  const show = <T>(answer: T, human: (answer: T) => string): void =>
    say(program.opts<Common>().json ? JSON.stringify(answer, undefined, 2) : human(answer))

  program
    .command('actions')
    .description('what Sluice has done by itself because of what receivers said')
    .option('--history', 'those that have ended or were undone, too')
    .option('--kind <kind>', 'close, hold, narrow, slow, break or withheld')
    .option('--rule <id>')
    .option('--scope <kind>', 'lane, netblock, dkim, spf, from_domain, stream, tenant or recipient')
    .option('--name <name>', 'of the scope: source, netblock, domain, …')
    .option('--provider <id>')
    .option('--limit <n>', 'at most so many')
    .action(async ({ history, ...query }: Query & { history?: true }) => {
      const asked = { ...query, state: history ? 'all' : 'live' }
      show(await (await client('read')).get<{ actions: LaneAction[]; more: number }>('/v1/actions', asked), showActions)
    })
  program
    .command('undo')
    .description('opens at once what an action had closed, narrowed or slowed')
    .argument('<id>', 'of the action')
    .option('--author <name>', 'who does it', userInfo().username)
    .requiredOption('--reason <text>', 'why, for those who read the audit')
    .action(async (id: string, body: object) => {
      const route = `/v1/actions/${encodeURIComponent(id)}/undo`
      const undone = await (await client('steer')).change<LaneAction>('POST', route, body)
      show(undone, ({ scope }) => `undone: ${scope.kind} ${scope.name} at ${scope.provider} is open again`)
    })
}

const sayUntil = ({ undone, until }: LaneAction): string =>
  undone ? `undone ${sayTime(undone.at)} by ${undone.by}: ${undone.reason}` : sayTime(until)

export const showActions = ({ actions, more }: { actions: readonly LaneAction[]; more: number }): string => {
  const table = sayTable(
    ['since', 'until', 'kind', 'scope', 'name', 'provider', 'rule', 'count', 'reason', 'id'],
    actions.map((one): Cell[] => [
      sayTime(one.since),
      sayUntil(one),
      one.kind,
      one.scope.kind,
      one.scope.name,
      one.scope.provider,
      one.rule,
      one.count,
      one.reason,
      one.id,
    ]),
  )
  return more > 0 ? `${table}\nand ${more} more` : table
}
