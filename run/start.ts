// `npm start`: Redis where none can be reached, the sidecar with its ClickHouse, Haraka with haraka-config/; until
// Ctrl-C. Data stays under var/.

import path from 'node:path'
import { parseArgs } from 'node:util'
import { readSluice } from '@sluice/core/config/sluice'
import { readFile } from 'node:fs/promises'

import { claim } from './claim'
import { onInterrupt } from './interrupt'
import { reachable } from './redis'
import { Stack } from './stack'

const root = path.resolve(__dirname, '../..')
const usage = `npm start [-- --config FOLDER] [--data FOLDER]
  --config FOLDER  the Haraka configuration to use instead of haraka-config/config
  --data FOLDER    where everything is kept instead of var`

const say = (text: string): void => console.error(`sluice: ${text}`)

/** The Redis to use; undefined = one of our own. */
const redisToUse = async (configFolder: string): Promise<string | undefined> => {
  const named = process.env['REDIS_URL']
  if (named) {
    if (!(await reachable(named))) say('REDIS_URL does not answer yet; mail goes by base weights until it does')
    return named
  }
  const text = await readFile(path.join(configFolder, 'sluice.yaml'), 'utf8')
  const { url } = readSluice('sluice.yaml', text).redis
  return (await reachable(url)) ? url : undefined
}

/** Called by bin/run.cjs. @public */
export const main = async (args: readonly string[]): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: 'string', default: path.join(root, 'haraka-config/config') },
      data: { type: 'string', default: path.join(root, 'var') },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    console.log(usage)
    return
  }
  const interrupt = onInterrupt(say)
  const release = await claim(values.data)
  try {
    await run(values.config, values.data, interrupt.asked)
  } finally {
    await release()
  }
  process.exit(0)
}

const run = async (config: string, data: string, asked: Promise<void>): Promise<void> => {
  const redisUrl = await redisToUse(config)
  say('starting …')
  const starting = Stack.start({
    folder: data,
    layers: [config],
    ports: 'usual',
    keepRedis: true,
    say,
    ...(redisUrl ? { redisUrl } : {}),
  })
  const stack = await starting
  console.log(
    [
      `Submit mail to    127.0.0.1:${stack.smtpPort} (SMTP; programs on this machine may relay)`,
      `HTTP API          ${stack.http}/v1`,
      `Bearer tokens     ${stack.tokenFile}`,
      `Redis             ${stack.redis ? `${stack.redisUrl} (our own)` : 'the one configured'}`,
      `Configuration     ${path.relative(process.cwd(), config) || '.'} (edited files take effect at once)`,
      `Logs and data     ${path.relative(process.cwd(), data) || '.'}`,
      `Ctrl-C stops everything.`,
    ].join('\n'),
  )
  await asked
  say('stopping …')
  await stack.stop()
  say('stopped; queued mail and data are kept')
}
