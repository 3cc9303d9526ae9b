// What parent and engine process say to each other, over the IPC channel of the fork.

import type { ErrorCode } from '@sluice/core/errors'

export interface Orders {
  /** Data folder; everything the engine keeps is below it. */
  readonly folder: string
  /** 0 = any. */
  readonly port: number
  readonly username: string
  readonly password: string
  /** Folders an INSERT may read from by FROM INFILE. */
  readonly readable: readonly string[]
  readonly limits: EngineLimits
}

export interface EngineLimits {
  /** Reads at once. */
  readonly reads: number
  /** Writes and other statements at once. */
  readonly writes: number
  /** Requests that may wait for a place, of each kind. */
  readonly waiting: number
  /** Largest request body. */
  readonly bodyBytes: number
  /** Memory of the whole engine. */
  readonly memoryBytes: number
  /** Memory of one query, unless it asks for another figure. */
  readonly queryMemoryBytes: number
  /** A client that takes nothing of its answer for so long loses its query, in milliseconds. */
  readonly stallMs: number
}

export type Report =
  | { readonly type: 'ready'; readonly port: number; readonly version: string }
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string }
