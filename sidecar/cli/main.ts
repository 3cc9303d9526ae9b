// The `sluice` command. Answers on stdout, complaints on stderr; exit code 1 where something was refused or wrong,
// 2 where the sidecar does not answer.

import { Command } from 'commander'

import { messageOf, SluiceError } from '@sluice/core/errors'

import { version } from '../version'
import { addActionCommands } from './actions'
import { checkFolder } from './check'
import { Refusal } from './client'
import { addCommands, type Common } from './commands'
import { addFeedbackCommands } from './feedback'
import { limitsOfLane, showLimits } from './limits'
import { addParkedCommands } from './parked'
import { addTestSource } from './test-source'
import { addWarmupCommands } from './warmup'

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const complain = (text: string): void => void process.stderr.write(`${text}\n`)

const program = new Command('sluice')
  .description('Outbound delivery control for Haraka')
  .version(version)
  .option('-c, --config <folder>', 'Haraka directory or its config folder', process.env['SLUICE_CONFIG'] ?? '.')
  .option('--url <url>', 'of the sidecar (environment: SLUICE_URL)')
  .option('--token-file <file>', 'bearer tokens (environment: SLUICE_TOKEN, SLUICE_TOKEN_FILE)')
  .option('--json', 'answers as JSON')

program
  .command('check')
  .description('checks every configuration file')
  .option('-c, --config <folder>', 'Haraka directory or its config folder')
  .option('--limits <lane>', 'the limits of [SOURCE@]PROVIDER and where each value comes from')
  .action(async (own: { config?: string; limits?: string }) => {
    const { config, json } = program.opts<Common>()
    if (own.limits !== undefined) {
      const found = await limitsOfLane(own.config ?? config, own.limits)
      say(json ? JSON.stringify(found, undefined, 2) : showLimits(found))
      return
    }
    const { good, absent, complaints } = await checkFolder(own.config ?? config)
    if (json) say(JSON.stringify({ good, absent, complaints }, undefined, 2))
    else {
      complaints.forEach(complain)
      say([...good.map((file) => `good    ${file}`), ...absent.map((file) => `absent  ${file}`)].join('\n'))
    }
    if (complaints.length > 0) process.exitCode = 1
  })
addCommands(program, say)
addFeedbackCommands(program, say)
addWarmupCommands(program, say)
addParkedCommands(program, say)
addActionCommands(program, say)
addTestSource(program, say)

const give = (error: unknown): void => {
  const code = error instanceof SluiceError ? error.code : 'SLUICE_INTERNAL'
  const details = error instanceof Refusal ? (error.problem.details ?? []) : []
  if (details.length > 0) details.forEach(({ key, message }) => complain(`${code}: ${key ? `${key}: ` : ''}${message}`))
  else complain(`${code}: ${messageOf(error)}`)
  process.exitCode = code === 'SLUICE_SIDECAR_AWAY' ? 2 : 1
}

program.parseAsync().catch(give)
