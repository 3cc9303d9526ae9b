// Which ClickHouse is meant, credentials included, and how its tables are made; secrets come from the environment or
// a file.

import type { SidecarConfig } from '@sluice/core/config/sidecar'

import type { LiveConfiguration } from './live'
import { readSecret } from './secret'

/** The environment wins over the file; undefined = the embedded engine. */
export const clickhouseUrl = async ({ current, folder }: LiveConfiguration): Promise<string | undefined> => {
  const { url: configured, username, password } = current.sidecar.clickhouse
  const given = process.env['CLICKHOUSE_URL'] ?? configured
  if (given === undefined || given === '') return undefined
  const url = new URL(given)
  url.username ||= encodeURIComponent(process.env['CLICKHOUSE_USER'] ?? username)
  const secret = process.env['CLICKHOUSE_PASSWORD'] ?? (password && (await readSecret(password, folder.base)))
  if (secret !== undefined) url.password ||= encodeURIComponent(secret)
  return url.href
}

export const schemaOptions = ({ cluster, keep_days: keep }: SidecarConfig['clickhouse']) => ({
  ...(cluster !== undefined && { cluster }),
  retention: { outcomes: keep.outcomes, rollup: keep.hourly, segments: keep.segments },
})
