// The sidecar as a child process. Ready means: its API answers.

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { readSidecar } from '@sluice/core/config/sidecar'
import { z } from 'zod'

import { Child } from './child'
import { yamlEdit, type Edit } from './configuration'
import { readyLine } from './ready'

export interface SidecarOptions {
  readonly configFolder: string
  readonly env?: NodeJS.ProcessEnv
  readonly logFile?: string
}

export interface Sidecar {
  readonly child: Child
  /** Base URL of the API. */
  readonly http: string
  /** File that holds the bearer tokens. */
  readonly tokenFile: string
}

/** What its ready line says: base URL of the API, file of the bearer tokens. */
export const sidecarReady = z.object({ http: z.string(), tokens: z.string() })
const startTimeoutMs = 60_000
const program = require.resolve('@sluice/sidecar/main')

/** @throws ChildTrouble with the sidecar's last lines where it does not come up */
export const startSidecar = async (options: SidecarOptions): Promise<Sidecar> => {
  const child = await Child.spawn({
    name: 'sidecar',
    command: process.execPath,
    args: [program, '--config', options.configFolder],
    env: { ...process.env, ...options.env },
    ...(options.logFile ? { logFile: options.logFile } : {}),
  })
  try {
    const { http, tokens } = await child.until(readyLine(sidecarReady), 'to be ready', startTimeoutMs)
    return { child, http, tokenFile: tokens }
  } catch (trouble) {
    await child.stop('SIGKILL')
    throw trouble
  }
}

export const httpEdit = (port: number): Edit => yamlEdit('sidecar.yaml', ['http', 'port'], port)

/** The port that the topmost sidecar.yaml names. */
export const usualHttpPort = async (layers: readonly string[]): Promise<number> => {
  let text = ''
  for (const layer of layers) text = await readFile(path.join(layer, 'sidecar.yaml'), 'utf8').catch(() => text)
  return readSidecar('sidecar.yaml', text).http.port
}
