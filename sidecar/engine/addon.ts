// The native half of chDB, as the engine process uses it. chDB's public Session runs one-shot queries on text; the
// addon beneath it also takes raw bytes and classifies statements, which a correct HTTP interface needs. The package
// is pinned to one version and the addon's shape is checked before use: a missing or different one stops the start
// with SLUICE_ENGINE_MISSING, it never half works.

import { createRequire } from 'node:module'
import path from 'node:path'

import { messageOf, SluiceError } from '@sluice/core/errors'

declare const handle: unique symbol
/** An open connection: its own settings and parameters, one query at a time. */
export type Handle = { readonly [handle]: true }

export interface ReadCounts {
  readonly bytes: Uint8Array
  /** Seconds. */
  readonly elapsed: number
  readonly rowsRead: number
  readonly bytesRead: number
}

export interface WriteCounts {
  readonly elapsed: number
  /** Rows written to the table and to what its materialised views feed. */
  readonly rowsWritten: number
  readonly bytesWritten: number
}

export interface Analysis {
  readonly statementCount: number
  /** 0 read-only, 1 changes data, 2 changes global state, 3 controls the engine or writes outside it, 4 unknown. */
  readonly queryClass: number
}

export interface Addon {
  EngineVersion(): string
  CreateConnection(folder: string, args?: readonly string[]): Handle
  CloseConnection(connection: Handle): void
  QueryAsyncConnection(connection: Handle, sql: string, format: string): Promise<ReadCounts>
  InsertRawAsyncConnection(connection: Handle, head: string, data: Buffer, countLines: boolean): Promise<WriteCounts>
  DurableClassifyAsync(connection: Handle, sql: string, database: string): Promise<Analysis>
}

const needed: readonly (keyof Addon)[] = [
  'EngineVersion',
  'CreateConnection',
  'CloseConnection',
  'QueryAsyncConnection',
  'InsertRawAsyncConnection',
  'DurableClassifyAsync',
]

const remedy = 'install the optional package chdb on a glibc system, or set CLICKHOUSE_URL'

/** @throws SluiceError SLUICE_ENGINE_MISSING */
export const loadAddon = (): Addon => {
  const load = createRequire(__filename)
  let addon: Partial<Addon>
  try {
    const folder = path.dirname(load.resolve('chdb/package.json'))
    const loader = load(path.join(folder, 'dist/loader.js')) as { loadNative(): Partial<Addon> }
    addon = loader.loadNative()
  } catch (error) {
    throw new SluiceError('SLUICE_ENGINE_MISSING', `${messageOf(error).split('\n', 1).join()}; ${remedy}`, {
      cause: error,
    })
  }
  const missing = needed.filter((name) => typeof addon[name] !== 'function')
  if (missing.length > 0) {
    throw new SluiceError('SLUICE_ENGINE_MISSING', `this chdb lacks ${missing.join(', ')}; ${remedy}`)
  }
  return addon as Addon
}
