// The demo's command line.

import { parseArgs } from 'node:util'

import { Trouble } from '../trouble'

export interface DemoOptions {
  readonly messages: number
  /** How long the campaign lasts; the demo takes about a minute more. */
  readonly seconds: number
  readonly seed: string
  /** Draw over the terminal instead of printing lines. */
  readonly screen: boolean
  /** Everything is written below this folder, which is emptied first. */
  readonly data: string
}

export const usage = `npm run demo [-- --messages N --seconds N --seed TEXT --no-tty --data FOLDER]
  --messages N   messages of the campaign (24000)
  --seconds N    seconds in which they are submitted (160)
  --seed TEXT    same seed, same mail and same receivers (demo)
  --no-tty       lines instead of a screen
  --data FOLDER  where everything is kept (var/demo); emptied first`

/** undefined where help was asked for. @throws Trouble for a bad value, TypeError (ERR_PARSE_ARGS_…) for an unknown option */
export const readOptions = (args: readonly string[], folder: string): DemoOptions | undefined => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      messages: { type: 'string', default: '24000' },
      seconds: { type: 'string', default: '160' },
      seed: { type: 'string', default: 'demo' },
      'no-tty': { type: 'boolean', default: false },
      data: { type: 'string', default: folder },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  return {
    messages: number('messages', values.messages, 1, 1_000_000),
    seconds: number('seconds', values.seconds, 10, 3600),
    seed: values.seed,
    screen: !values['no-tty'],
    data: values.data,
  }
}

const number = (name: string, text: string, least: number, most: number): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Trouble(`--${name} is a whole number from ${least} to ${most}, not ${text}\n${usage}`)
  }
  return value
}
