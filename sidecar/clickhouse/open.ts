// ClickHouse, ready to use: reached, the database made, migrated, retention as configured.

import type { ClickHouseClient } from '@clickhouse/client'
import { messageOf, SluiceError } from '@sluice/core/errors'

import { identifier } from '../sql/tokens'
import { connect, databaseOf, type Where } from './connect'
import { migrate, type SchemaOptions } from './migrate'
import { applyRetention } from './retention'

export type OpenOptions = Partial<SchemaOptions>

/**
 * @throws SluiceError SLUICE_CLICKHOUSE_AWAY (worth trying again), SLUICE_SCHEMA_NEWER, SLUICE_SCHEMA_CHANGED
 */
export const openClickHouse = async (where: Where, options: OpenOptions = {}): Promise<ClickHouseClient> => {
  const database = options.database ?? databaseOf(where)
  const schema = { ...options, database }
  await createDatabase(where, schema)
  const client = connect(where, database)
  try {
    await migrate(client, schema)
    await applyRetention(client, schema)
    return client
  } catch (error) {
    await client.close()
    throw error
  }
}

/** A server refuses every request for a database that is not there, so this one names none. */
const createDatabase = async (where: Where, { database, cluster }: SchemaOptions): Promise<void> => {
  const client = connect(where, 'default')
  try {
    const ping = await client.ping()
    if (!ping.success) throw new SluiceError('SLUICE_CLICKHOUSE_AWAY', messageOf(ping.error), { cause: ping.error })
    const on = cluster === undefined ? '' : ` ON CLUSTER ${identifier(cluster)}`
    const engine = where.engine ? ' ENGINE = Atomic' : ''
    await client.command({ query: `CREATE DATABASE IF NOT EXISTS ${identifier(database)}${on}${engine}` })
  } finally {
    await client.close()
  }
}
