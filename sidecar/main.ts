// The sidecar's process: `node main.js --config DIR`. Logs JSON lines to stderr; the one line on stdout says that it
// is ready, where, and which token file opens it. SIGTERM or SIGINT stops it cleanly within seconds.

import { parseArgs } from 'node:util'

import { destination, pino } from 'pino'

import { ConfigError } from '@sluice/core/config/document'
import { messageOf, SluiceError } from '@sluice/core/errors'

import { findFolder } from './config/configuration'
import { LiveConfiguration } from './config/live'
import { Sidecar } from './sidecar'

/** After a signal; longer than every part allows itself. */
const longestStopMs = 15_000

const log = pino(
  { base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
  destination({ fd: 2, sync: true }),
)

const give = (error: unknown): never => {
  const code = error instanceof SluiceError ? error.code : 'SLUICE_INTERNAL'
  const complaints = error instanceof ConfigError ? { complaints: error.complaints } : {}
  log.fatal(
    { code, ...complaints, ...(code === 'SLUICE_INTERNAL' && { err: error }) },
    adviceFor(code, messageOf(error)),
  )
  process.exit(1)
}

const adviceFor = (code: string, message: string): string =>
  code === 'SLUICE_ENGINE_MISSING'
    ? `${message}. Set CLICKHOUSE_URL to a ClickHouse server, or run on a platform with the package chdb (glibc, x64 or arm64)`
    : message

const main = async (): Promise<void> => {
  const { values } = parseArgs({ options: { config: { type: 'string', default: '.' } } })
  const configuration = await LiveConfiguration.open(await findFolder(values.config), log)
  log.level = configuration.current.sidecar.log_level
  configuration.onChange(({ sidecar }) => {
    log.level = sidecar.log_level
  })
  let stopped = false
  const starting = Sidecar.start(configuration, log)
  const stop = (signal: string): void => {
    if (stopped) return
    stopped = true
    log.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), longestStopMs).unref()
    starting
      .then((running) => running.stop())
      .then(() => process.exit(0))
      .catch(give)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  const running = await starting
  running.failed.catch(give)
  const { url, tokenFile } = running
  process.stdout.write(`${JSON.stringify({ ready: true, http: url, tokens: tokenFile, pid: process.pid })}\n`)
  log.info({ url }, 'ready')
}

main().catch(give)
