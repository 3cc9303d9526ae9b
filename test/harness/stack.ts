// A whole stack for an end-to-end test: the demo's configuration with free ports, a lab of its own and a folder of its
// own, which is removed when the test is over. What every part said last is shown where a test fails.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { readEgress } from '@sluice/core/config/egress'
import { Api } from '@sluice/run/api'
import type { Edit } from '@sluice/run/configuration'
import { sourceOf } from '@sluice/run/demo/source'
import { Stack } from '@sluice/run/stack'

const root = path.join(__dirname, '../..')
export const exampleConfig = path.join(root, 'haraka-config/config')
export const demoConfig = path.join(root, 'run/demo/config')

export interface TestStackOptions {
  readonly edits?: readonly Edit[]
  readonly layers?: readonly string[]
  readonly seed?: string
  /** internet.yaml of the lab */
  readonly internet?: string
  readonly env?: NodeJS.ProcessEnv
  /** A Redis that the test rules over; absent = one of the stack's own. */
  readonly redisUrl?: string
}

export interface TestStack {
  readonly stack: Stack
  readonly api: Api
  /** The source that binds an address. */
  readonly sourceOf: (ip: string) => string
  /** What the supervisor told people. */
  readonly said: readonly string[]
  /** The last lines of a part's log: haraka, sidecar, lab, redis. */
  log(name: string, lines?: number): Promise<string>
  /** Stops everything and removes the folder. */
  end(): Promise<void>
}

export const startTestStack = async (options: TestStackOptions = {}): Promise<TestStack> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-stack-'))
  const said: string[] = []
  const stack = await Stack.start({
    folder,
    layers: options.layers ?? [exampleConfig, demoConfig],
    ports: 'free',
    lab: { seed: options.seed ?? 'test', ...(options.internet ? { internet: options.internet } : {}) },
    say: (text) => said.push(text),
    ...(options.edits ? { edits: options.edits } : {}),
    // Never somebody's real database.
    env: { CLICKHOUSE_URL: undefined, ...options.env },
    ...(options.redisUrl ? { redisUrl: options.redisUrl } : {}),
  }).catch(async (trouble: unknown) => {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    throw trouble
  })
  const egress = readEgress('egress.yaml', await readFile(path.join(stack.configFolder, 'egress.yaml'), 'utf8'))
  return {
    stack,
    said,
    sourceOf: (ip) => sourceOf(egress, ip),
    api: new Api(
      () => stack.http,
      () => stack.tokenFile,
    ),
    log: async (name, lines = 30) => (await readFile(stack.logFile(name), 'utf8')).split('\n').slice(-lines).join('\n'),
    end: async () => {
      await stack.stop()
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

/** The lab of a test's stack. */
export const labOf = ({ stack }: TestStack) => {
  if (!stack.lab) throw new Error('this stack has no lab')
  return stack.lab
}
