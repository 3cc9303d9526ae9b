// What is known of the messages that reports are about, from their outcomes.

import type { ClickHouseClient } from '@clickhouse/client'

import type { KnownMessage } from '@sluice/core/feedback/attribution'
import type { Background } from '@sluice/core/feedback/record'
import { issuedAt } from '@sluice/core/feedback/proof'

import { ask } from '../clickhouse/ask'
import { query } from '../clickhouse/shipped'

export class Message implements KnownMessage {
  private readonly rows: readonly Row[]

  constructor(
    readonly message_id: string,
    rows: readonly Row[],
  ) {
    this.rows = rows
  }

  get recipients(): readonly string[] {
    return this.rows.flatMap(({ recipient }) => (recipient ? [recipient] : []))
  }

  /** What is known of a recipient; of an unknown one, what holds for all of them. */
  background(recipient: string): Background | undefined {
    const name = recipient.toLowerCase()
    const own = this.rows.find((row) => row.recipient !== '' && row.recipient.toLowerCase() === name)
    const [any] = this.rows
    if (own ?? this.rows.length === 1) return own ?? any
    const blank = { queue_id: '', pool: '', source: '', source_ip: '', provider: '', site: '', recipient_domain: '' }
    return any && { ...any, ...blank }
  }
}

interface Row extends Background {
  readonly message_id: string
  readonly recipient: string
}

const byId = query('messages_known', { key: 'message_id' })
const byHeader = query('messages_known', { key: 'header_message_id' })

const dayMs = 86_400_000
/** Clocks of hosts differ. */
const toleranceMs = 3_600_000
/** Beyond this a Message-ID is not looked for: such reports count for nothing but the record. */
const headerIdDays = 30

/** Messages by their id; unknown ones are not in the map. */
export const messagesById = async (client: ClickHouseClient, ids: readonly string[]): Promise<Map<string, Message>> => {
  if (ids.length === 0) return new Map()
  const since = ids.reduce((earliest, id) => Math.min(earliest, issuedAt(id)), Infinity) - toleranceMs
  const rows = await ask<Row>(client, byId, { ids, since: Math.max(0, Math.floor(since)) })
  return grouped(rows, ({ message_id }) => message_id)
}

/** Messages by their Message-ID header; where several have the same, none is meant. */
export const messagesByHeader = async (
  client: ClickHouseClient,
  ids: readonly string[],
  now: number,
): Promise<Map<string, Message>> => {
  if (ids.length === 0) return new Map()
  const rows = await ask<Row>(client, byHeader, { ids, since: now - headerIdDays * dayMs })
  const found = grouped(rows, ({ header_message_id }) => header_message_id)
  const owners = new Map<string, Set<string>>()
  for (const { header_message_id: id, message_id } of rows) {
    owners.set(id, (owners.get(id) ?? new Set()).add(message_id))
  }
  for (const [id, { size }] of owners) if (size > 1) found.delete(id)
  return found
}

const grouped = (rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Message> => {
  const groups = new Map<string, Row[]>()
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row])
  return new Map([...groups].map(([key, all]) => [key, new Message(all[0]?.message_id ?? key, all)]))
}
