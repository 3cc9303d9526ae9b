// A running engine for tests, in a folder of its own, with clients that are closed with it.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import {
  ClickHouseLogLevel,
  createClient,
  type ClickHouseClient,
  type ClickHouseClientConfigOptions,
} from '@clickhouse/client'

import { startEngine, type Engine, type EngineOptions } from '@sluice/sidecar/engine/process'

export interface Running {
  readonly engine: Engine
  readonly folder: string
  /** An unmodified client of the engine. */
  readonly client: (options?: ClickHouseClientConfigOptions) => ClickHouseClient
  /** A plain request. */
  ask(search: Record<string, string>, init?: RequestInit & { duplex?: 'half' }): Promise<Response>
  end(): Promise<void>
}

export const runEngine = async (options: Partial<EngineOptions> = {}): Promise<Running> => {
  const folder = options.folder ?? (await mkdtemp(path.join(tmpdir(), 'sluice-engine-')))
  const engine = await startEngine({ ...options, folder })
  const clients: ClickHouseClient[] = []
  const { url, username, password } = engine
  return {
    engine,
    folder,
    client: (more = {}) => {
      const log = { level: ClickHouseLogLevel.OFF }
      const client = createClient({ url, username, password, database: 'sluice', log, ...more })
      clients.push(client)
      return client
    },
    ask: (search, init = {}) =>
      fetch(`${url}/?${new URLSearchParams(search).toString()}`, {
        method: 'POST',
        ...init,
        headers: {
          'X-ClickHouse-User': username,
          'X-ClickHouse-Key': password,
          ...(init.headers as Record<string, string>),
        },
      }),
    end: async () => {
      for (const client of clients) await client.close()
      await engine.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Repeats until it holds; for what becomes true without an event. */
export const eventually = async (holds: () => Promise<boolean> | boolean, seconds = 15): Promise<void> => {
  for (const deadline = Date.now() + seconds * 1000; !(await holds());) {
    if (Date.now() > deadline) throw new Error('it did not come true in time')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
